import { HearsayError } from "./fault.ts";
import type { ListOptions } from "./options.ts";

/**
 * Where a key lives below an endpoint. Slashes stay as they are. URL parsers remove the segments `.` and `..`, even
 * percent-encoded ones (WHATWG URL, section 4.4), so keys that have one go into the query, where nothing is rewritten.
 * @throws HearsayError `bad_key` for a key that is empty or no well-formed text: no URL can carry it
 */
export function pathOf(key: string): string {
  if (key === "") throw badKey(key);
  mustBeWellFormed(key);
  const segments = key.split("/");
  const rewritten = segments.some((segment) => segment === "." || segment === "..");
  if (rewritten) return `/kv?key=${encodeURIComponent(key)}`;
  return `/kv/${segments.map(encodeURIComponent).join("/")}`;
}

/**
 * A surrogate without its other half becomes U+FFFD where text is made UTF-8: that would be another key.
 * @throws HearsayError `bad_key`
 */
export function mustBeWellFormed(key: string): void {
  if (!key.isWellFormed()) throw badKey(key);
}

function badKey(key: string): HearsayError {
  return new HearsayError({ code: "bad_key", key }, { outcome: "none", attempts: 0 });
}

/**
 * Adds query parameters to a path that may have some already; undefined ones are left out.
 * @throws HearsayError `bad_key` for a key or prefix that is no well-formed text
 */
export function withQuery(
  path: string,
  parameters: Readonly<Record<string, string | number | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    const text = String(value);
    mustBeWellFormed(text);
    query.append(name, text);
  }
  const text = query.toString();
  if (text === "") return path;
  return `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

export function listPath(options: ListOptions, limit: number | undefined): string {
  const { prefix, after, keysOnly } = options;
  return withQuery("/kv", { prefix, after, limit, keys: keysOnly === true ? "true" : undefined });
}
