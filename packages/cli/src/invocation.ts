import { basename, relative } from "node:path";

/** How this command can be called again, from where it was called. */
export function invocation(): string {
  const script = process.argv[1] ?? "hearsay";
  return basename(script) === "hearsay" ? "hearsay" : `node ${relative(process.cwd(), script)}`;
}
