/** Keep concurrent siblings until a later write covers them, or keep the winner alone (plain last-writer-wins). */
export type ConflictPolicy = "keep" | "discard";

export interface ConflictRules {
  readonly maxSiblings: number;
  /** Policies by key prefix; the longest matching prefix decides, and `keep` holds where none matches. */
  readonly policies: ReadonlyMap<string, ConflictPolicy>;
}

/** How many siblings a record of this key may keep. */
export function siblingLimit(rules: ConflictRules, key: string): number {
  let policy: ConflictPolicy = "keep";
  let matched = -1;
  for (const [prefix, candidate] of rules.policies) {
    if (prefix.length > matched && key.startsWith(prefix)) {
      matched = prefix.length;
      policy = candidate;
    }
  }
  return policy === "discard" ? 1 : rules.maxSiblings;
}
