import { decodeUtf8 } from "@hearsay/core";

/** What was stored as JSON in UTF-8; undefined when it is neither. */
export function parseJson(stored: Uint8Array): unknown {
  const text = decodeUtf8(stored);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
