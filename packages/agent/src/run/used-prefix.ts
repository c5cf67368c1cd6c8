/** The prefixes of a file as a run begins with them. */
import type { PrefixNote } from "../files/file-note.ts";
import type { StateDirectory } from "../files/state-directory.ts";
import type { Views } from "../values/views.ts";

export interface UsedPrefix extends PrefixNote {
  /** Its values are the last good copy from disk. */
  readonly isCopy: boolean;
  /** Keys it counts as having had when there is no note of the file: those of the copy. */
  readonly copiedKeys: number | undefined;
}

/** @param copied keys of the copies */
export function usedPrefixes(
  views: Views,
  prefixes: readonly string[],
  copied: ReadonlyMap<string, number>,
): readonly UsedPrefix[] {
  return prefixes.map((prefix) => {
    const { values, sha256, isCopy } = views.of(prefix);
    return { prefix, keys: values.size, sha256, isCopy, copiedKeys: copied.get(prefix) };
  });
}

/** Keys that the last good copy of each prefix has. */
export async function copiedKeys(
  state: Pick<StateDirectory, "loadCopy">,
  prefixes: Iterable<string>,
): Promise<ReadonlyMap<string, number>> {
  const copied = new Map<string, number>();
  for (const prefix of prefixes) {
    // What is damaged is said when it would be used.
    const copy = await state.loadCopy(prefix).catch(() => undefined);
    if (copy !== undefined) copied.set(prefix, copy.size);
  }
  return copied;
}
