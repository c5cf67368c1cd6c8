import type { DevFlags } from "../commands/dev.ts";
import type { Io } from "../io.ts";
export async function runSmoke(_io: Io, _flags: DevFlags): Promise<void> {
  await Promise.resolve();
}
