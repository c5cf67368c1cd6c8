import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "@hearsay/node";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadConfig } from "./config/load.ts";
import { openStore } from "./open-store.ts";

const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
/** Takes nothing, as a disk that is full. */
const FULL = "/dev/full";

let data: string;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "hearsay-open-"));
});
afterEach(() => rmSync(data, { recursive: true }));

function open(): ReturnType<typeof openStore> {
  const { settings } = loadConfig({ flags: { data }, environment: {}, file: undefined });
  return openStore(settings, QUIET, () => undefined);
}

it.skipIf(!existsSync(FULL))(
  "makes room of what an earlier run was restoring, and opens, where the disk is full (with /dev/full)",
  async () => {
    // The opening fails for as long as the spool is there.
    symlinkSync(FULL, join(data, "spool"));
    symlinkSync("spool", join(data, "sequence"));
    const { store, close } = await open();
    await store.meta.put("m", Uint8Array.of(1));
    await close();
  },
);

it.skipIf(!existsSync(FULL))(
  "says that the disk is full where there is no such room (with /dev/full)",
  async () => {
    symlinkSync(FULL, join(data, "sequence"));
    await expect(open()).rejects.toMatchObject({ fault: { code: "disk_full" } });
  },
);
