import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkDirectory, lockHolder } from "./directory.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-doctor-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("the data directory", () => {
  it("may still have to be created", async () => {
    const findings = await checkDirectory(join(directory, "not/yet"));
    expect(findings[0]).toMatchObject({ check: "data directory", status: "ok" });
    expect(findings[0]?.detail).toContain("will be created");
    expect(findings.map(({ check }) => check)).toEqual(["data directory", "free space", "file system"]);
  });

  it("has to be a directory", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    expect((await checkDirectory(file))[0]).toMatchObject({ status: "bad" });
  });

  it("is not in use before a node has been there", async () => {
    expect((await checkDirectory(directory)).at(-1)).toMatchObject({ check: "lock", status: "ok" });
  });

  it("names the process that holds a lock", () => {
    const locks =
      "1: POSIX  ADVISORY  WRITE 4711 fd:00:1234 0 EOF\n2: FLOCK  ADVISORY  WRITE 99 fd:00:12 0 EOF\n";
    expect(lockHolder(locks, 1234)).toBe(4711);
    expect(lockHolder(locks, 12)).toBe(99);
    expect(lockHolder(locks, 234)).toBeUndefined();
  });
});
