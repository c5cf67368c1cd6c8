/** Writes a request as a shell command that makes the same one. */
import type { FetchInit } from "@hearsay/client";

/**
 * One line for a POSIX shell.
 * @param bodyFile the file the body comes from, `-` for standard input; undefined: it stands in the command itself
 */
export function toCurl(url: string, init: FetchInit, bodyFile: string | undefined): string {
  const words = ["curl", "-sS"];
  if (init.method !== "GET") words.push("-X", init.method);
  for (const [name, value] of Object.entries(init.headers)) {
    // curl sends a header without a value only when it is written with a semicolon.
    words.push("-H", quote(value === "" ? `${name};` : `${name}: ${value}`));
  }
  const target = quote(url);
  if (init.body === undefined) return [...words, target].join(" ");
  if (bodyFile !== undefined || !(init.body instanceof Uint8Array)) {
    return [...words, "--data-binary", quote(`@${bodyFile ?? "-"}`), target].join(" ");
  }
  const text = asText(init.body);
  if (text !== undefined) return [...words, "--data-raw", quote(text), target].join(" ");
  const base64 = Buffer.from(init.body).toString("base64");
  return `echo ${base64} | base64 -d | ${[...words, "--data-binary", "@-", target].join(" ")}`;
}

function quote(text: string): string {
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Undefined when the bytes cannot be an argument of a command. */
function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Ends a command that was to print its request instead of making it. */
export class CurlPrinted extends Error {
  constructor() {
    super("the request was printed");
    this.name = "CurlPrinted";
  }
}
