/** JSON that clients send. */
import { ApiProblem } from "./problem.ts";

export interface Json {
  readonly text: string;
  readonly value: unknown;
}

/** @throws ApiProblem `invalid_body` */
export function decodeJson(bytes: Uint8Array): Json {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch (error) {
    throw new ApiProblem("invalid_body", {
      detail: `Not JSON: ${error instanceof Error ? error.message : ""}`,
    });
  }
}

/**
 * For a value that a schema has let through, and that so is not deep. The parser keeps the last of two members of one name
 * where others keep the first, so nobody can tell which is meant (RFC 8259, section 4). Of what it drops the text still has the strings.
 * @throws ApiProblem `invalid_body`
 */
export function refuseDoubledNames({ text, value }: Json): void {
  if (stringsOfText(text) === stringsOf(value)) return;
  throw new ApiProblem("invalid_body", { detail: "A field is there twice in one object." });
}

const BACKSLASH = 0x5c;

/** Half of the quotes before which there is an even number of backslashes. */
function stringsOfText(text: string): number {
  let quotes = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    let start = at;
    while (text.charCodeAt(start - 1) === BACKSLASH) start -= 1;
    if ((at - start) % 2 === 0) quotes += 1;
  }
  return quotes / 2;
}

/** Names and values. */
function stringsOf(value: unknown): number {
  if (typeof value === "string") return 1;
  if (typeof value !== "object" || value === null) return 0;
  let strings = 0;
  for (const item of Object.values(value)) strings += stringsOf(item);
  return Array.isArray(value) ? strings : strings + Object.keys(value).length;
}
