import { CliError, EXIT } from "./failure.ts";

export interface KeyVersion {
  readonly key: string;
  readonly version: string;
}

/**
 * Reads KEY@VERSION; a key may have an @ itself, a version never has.
 * @param command whose help has examples
 * @throws CliError
 */
export function parseKeyVersion(text: string, command: string): KeyVersion {
  const at = text.lastIndexOf("@");
  if (at >= 1 && at < text.length - 1) return { key: text.slice(0, at), version: text.slice(at + 1) };
  throw new CliError(`${JSON.stringify(text)} is not KEY@VERSION`, {
    code: "usage",
    exit: EXIT.usage,
    next: `hearsay ${command} --help has examples.`,
  });
}
