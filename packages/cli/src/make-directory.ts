import { createDirectory } from "@hearsay/server";
import { CliError, EXIT } from "./failure.ts";

/** A directory for what a command leaves behind. @param option that names another. @throws CliError */
export function makeDirectory(path: string, option: string): void {
  try {
    createDirectory(path);
  } catch (error) {
    throw cannotBeCreated(path, option, error);
  }
}

export function cannotBeCreated(path: string, option: string, error: unknown): CliError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CliError(`the directory ${path} cannot be created: ${reason}`, {
    code: "directory_unusable",
    exit: EXIT.error,
    next: `Name one that this user may write to with ${option}.`,
  });
}
