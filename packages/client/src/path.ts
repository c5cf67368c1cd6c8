import { HearsayError } from "./fault.ts";
import type { ListOptions } from "./options.ts";

/**
 * Where a key lives below an endpoint. Slashes stay as they are. URL parsers remove the segments `.` and `..`, even
 * percent-encoded ones (WHATWG URL, section 4.4), so keys that have one go into the query, where nothing is rewritten.
 * @throws HearsayError `bad_key` for a key that is empty or no well-formed text: no URL can carry it
 */
export function pathOf(key: string): string {
  if (key === "" || !key.isWellFormed()) {
    throw new HearsayError({ code: "bad_key", key }, { outcome: "none", attempts: 0 });
  }
  const segments = key.split("/");
  const rewritten = segments.some((segment) => segment === "." || segment === "..");
  if (rewritten) return `/kv?key=${encodeURIComponent(key)}`;
  return `/kv/${segments.map(encodeURIComponent).join("/")}`;
}

/** Adds query parameters to a path that may have some already; undefined ones are left out. */
export function withQuery(
  path: string,
  parameters: Readonly<Record<string, string | number | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.append(name, String(value));
  }
  const text = query.toString();
  if (text === "") return path;
  return `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

export function listPath(options: ListOptions, limit: number | undefined): string {
  const { prefix, after, keysOnly } = options;
  return withQuery("/kv", { prefix, after, limit, keys: keysOnly === true ? "true" : undefined });
}
