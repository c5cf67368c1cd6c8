import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "@hearsay/node";
import { StoreError } from "@hearsay/store";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadConfig } from "./config/load.ts";
import { DataDirectory } from "./machine/data-directory.ts";
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
    symlinkSync("spool", join(data, "sequence-renewed"));
    const { store, close } = await open();
    await store.meta.put("m", Uint8Array.of(1));
    await close();
  },
);

it.skipIf(!existsSync(FULL))(
  "says that the disk is full where there is no such room (with /dev/full)",
  async () => {
    symlinkSync(FULL, join(data, "sequence-renewed"));
    await expect(open()).rejects.toMatchObject({ fault: { code: "disk_full" } });
  },
);

async function openOnce(): Promise<readonly string[]> {
  const { report, close } = await open();
  await close();
  return report.doubt;
}

it("is in doubt where its files were put back into the place of newer ones, and else is not", async () => {
  await openOnce();
  const kept = `${data}-kept`;
  cpSync(data, kept, { recursive: true });
  expect(await openOnce()).toEqual([]);
  expect(await openOnce()).toEqual([]);
  rmSync(join(data, "db"), { recursive: true });
  cpSync(join(kept, "db"), join(data, "db"), { recursive: true });
  // Into the file that is there, which keeps its inode and its time of birth.
  writeFileSync(join(data, "sequence"), readFileSync(join(kept, "sequence")));
  expect(await openOnce()).toEqual(["directory_copied"]);
  rmSync(kept, { recursive: true });
});

it("opens no store that another process has used since it looked at the directory", async () => {
  const directory = DataDirectory.open(data);
  await openOnce();
  expect(() => directory.renewStamp()).toThrow(StoreError);
  directory.close();
  expect(await openOnce()).toEqual([]);
});
