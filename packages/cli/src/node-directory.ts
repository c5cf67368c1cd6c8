import { access } from "node:fs/promises";
import { join } from "node:path";
import { CliError, EXIT } from "./failure.ts";

/** @throws CliError when no node has ever run on the directory, or the system's error when this user may not look into it */
export async function requireDirectory(directory: string): Promise<void> {
  await access(join(directory, "db")).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "EACCES") throw error;
    throw new CliError(`${directory} is no data directory of a node`, {
      code: "no_data_directory",
      exit: EXIT.usage,
      next: "Name the directory that serve was given with --data.",
    });
  });
}
