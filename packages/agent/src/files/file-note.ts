/** What a file was last made of, as it is kept for the next start: a line of JSON for the file, and one for each prefix. */

export interface FileNote {
  /** Of its content, hexadecimal. */
  readonly sha256: string;
  readonly prefixes: readonly PrefixNote[];
}

export interface PrefixNote {
  readonly prefix: string;
  readonly keys: number;
  /** Of the prefix's keys and values, hexadecimal. */
  readonly sha256: string;
}

/** @param path of the file, for people who look */
export function formatNote(path: string, note: FileNote): string {
  const lines = [
    [path, note.sha256],
    ...note.prefixes.map(({ prefix, keys, sha256 }) => [prefix, keys, sha256]),
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** Undefined for what is no note. */
export function parseNote(text: string): FileNote | undefined {
  try {
    const [head, ...lines] = text.trimEnd().split("\n").map(entriesOf);
    const content = head?.[1];
    const prefixes = lines.map(([prefix, keys, sha256]) => {
      if (typeof prefix === "string" && typeof keys === "number" && typeof sha256 === "string")
        return { prefix, keys, sha256 };
      throw new SyntaxError("no note of a prefix");
    });
    return typeof content === "string" ? { sha256: content, prefixes } : undefined;
  } catch {
    return undefined;
  }
}

/** @throws SyntaxError */
function entriesOf(line: string): readonly unknown[] {
  const entries: unknown = JSON.parse(line);
  return Array.isArray(entries) ? entries : [];
}
