import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createDirectory } from "./create-directory.ts";

const base = mkdtempSync(join(tmpdir(), "hearsay-directory-"));
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe("a directory", () => {
  it("is created with all above it, for its owner only, and may be there already", () => {
    const path = join(base, "a/b/c");
    for (let i = 0; i < 2; i++) createDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    createDirectory(".");
  });

  it("is not created in the place of a file, nor below one", () => {
    createDirectory(base);
    writeFileSync(join(base, "file"), "");
    expect(() => createDirectory(join(base, "file"))).toThrow("EEXIST");
    expect(() => createDirectory(join(base, "file/a"))).toThrow("ENOTDIR");
  });

  it.runIf(existsSync("/proc/self"))("is refused where a file system refuses new entries as missing", () => {
    expect(() => createDirectory("/proc/hearsay/data")).toThrow("ENOENT");
  });
});
