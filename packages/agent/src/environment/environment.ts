/** Keys as environment variables. */
import type { AgentFault } from "../fault.ts";
import type { Values } from "../values/prefix-view.ts";

/** What Linux takes for one variable, its name included (MAX_ARG_STRLEN, 32 pages). */
const VARIABLE_MAX_BYTES = 128 * 1024;
/** Of all together: well below the quarter of the stack that Linux takes (8 MiB / 4). */
const ALL_MAX_BYTES = 1024 * 1024;

export interface PrefixValues {
  readonly prefix: string;
  readonly values: Values;
}

/** `db/url` is `DB_URL`, `9lives` is `_9LIVES`. Empty for a name without letters, digits and `_`. */
export function variableName(name: string): string {
  const plain = name.toUpperCase().replaceAll(/[^A-Z0-9_]/g, "_");
  return /^[0-9]/.test(plain) ? `_${plain}` : plain;
}

/** The variables of the keys below the prefixes, of which a later one goes before, or all that is wrong with them. */
export function environmentOf(
  prefixes: readonly PrefixValues[],
): { readonly variables: Readonly<Record<string, string>> } | { readonly fault: AgentFault } {
  const variables = new Map<string, string>();
  const faults: string[] = [];
  for (const { prefix, values } of prefixes) {
    const keys = new Map<string, string>();
    for (const [key, value] of values) {
      const name = variableName(key.slice(prefix.length));
      const fault = variableFault(name, value, keys.get(name));
      if (fault !== undefined) {
        faults.push(`${JSON.stringify(key)} ${fault}`);
        continue;
      }
      keys.set(name, key);
      variables.set(name, strictUtf8.decode(value));
    }
  }
  let bytes = 0;
  for (const [name, text] of variables) bytes += name.length + Buffer.byteLength(text) + 2;
  if (bytes > ALL_MAX_BYTES)
    faults.push(`all values together have ${bytes} bytes, ${ALL_MAX_BYTES} is the most`);
  if (faults.length > 0)
    return { fault: { code: "environment_invalid", faults: faults.slice(0, FAULTS_SHOWN) } };
  return { variables: Object.fromEntries(variables) };
}

/** Whoever has more of them sees the rest after these. */
const FAULTS_SHOWN = 20;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function variableFault(name: string, value: Uint8Array, other: string | undefined): string | undefined {
  if (name === "") return "is the prefix itself, which names no variable";
  if (other !== undefined) return `is ${name}, and so is ${JSON.stringify(other)}`;
  if (value.includes(0)) return "has a NUL byte in its value";
  if (name.length + value.length + 2 > VARIABLE_MAX_BYTES) return `has more than ${VARIABLE_MAX_BYTES} bytes`;
  try {
    strictUtf8.decode(value);
  } catch {
    return "has a value that is not UTF-8";
  }
  return undefined;
}
