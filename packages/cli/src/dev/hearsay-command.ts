import { fileURLToPath } from "node:url";
import type { HearsayCommand } from "@hearsay/chaos";

/** This command itself, for the processes it starts. */
export const HEARSAY: HearsayCommand = {
  file: process.execPath,
  args: [fileURLToPath(new URL("../main.js", import.meta.url))],
};
