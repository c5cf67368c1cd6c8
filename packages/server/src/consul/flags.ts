/**
 * Where Consul's flags are kept: as a parameter of the value's content type. The record then has them on every replica,
 * and readers of `/kv` get the bytes as they are. docs/decisions/0005 has what else was possible.
 */

const OCTETS = "application/octet-stream";
const PARAMETER = /;\s*consul-flags=(\d{1,20})\s*(?:;|$)/i;
const FLAGS_MAX = 2n ** 64n - 1n;

/** A decimal number of 64 bits: JavaScript's own numbers end before. Undefined when it is none. */
export function parseFlags(text: string): string | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const flags = BigInt(text);
  return flags > FLAGS_MAX ? undefined : flags.toString();
}

export function contentTypeWith(flags: string): string {
  return flags === "0" ? OCTETS : `${OCTETS}; consul-flags=${flags}`;
}

/** Zero for values that were not written through Consul's API. */
export function flagsOf(contentType: string): string {
  const found = PARAMETER.exec(contentType)?.[1];
  return (found === undefined ? undefined : parseFlags(found)) ?? "0";
}
