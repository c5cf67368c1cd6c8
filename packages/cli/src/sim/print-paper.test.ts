import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AS_PUBLISHED } from "@hearsay/simulator";
import { expect, test } from "vitest";
import { refuseOutOfBand, refuseUnused, requireWritable, shownNumber } from "./print-paper.ts";

const figure = { setting: "k = 1", name: "residue", published: ".18", band: [0.1, 0.2] } as const;
const table = (measured: number) => ({
  name: "demers",
  source: "",
  setting: "",
  figures: [{ ...figure, measured }],
});

test("a figure outside its band ends the command with 1 and is named", () => {
  expect(() => refuseOutOfBand([table(0.15)])).not.toThrow();
  expect(() => refuseOutOfBand([table(0.15), table(0.25)])).toThrow(
    expect.objectContaining({
      exit: 1,
      code: "out_of_band",
      message: expect.stringContaining("demers: k = 1: residue is 0.25, published .18"),
    }),
  );
});

test("a flag that changes nothing in what is asked for is refused, and named", () => {
  const unused = expect.objectContaining({ code: "unused_setting", exit: 2 });
  expect(() => refuseUnused(["phi"], { ...AS_PUBLISHED, nodes: 100 }, false)).toThrow(unused);
  expect(() => refuseUnused(["rounds"], { ...AS_PUBLISHED, k: 2 }, false)).toThrow(unused);
  expect(() => refuseUnused(["phi"], { ...AS_PUBLISHED, nodes: 100 }, true)).not.toThrow();
  expect(() => refuseUnused(["phi", "demers"], { ...AS_PUBLISHED, nodes: 100, k: 2 }, false)).not.toThrow();
  expect(() => refuseUnused(["phi"], AS_PUBLISHED, false)).not.toThrow();
});

test("numbers are shown with the digits that count", () => {
  expect([17, 0.037123, 46_904.3, 1.5].map(shownNumber)).toEqual(["17", "0.0371", "46904", "1.5"]);
});

test("where a plot cannot be written is known before, and nothing is written for that", async () => {
  const directory = mkdtempSync(join(tmpdir(), "hearsay-paper-"));
  const [old, fresh] = [join(directory, "old.svg"), join(directory, "new.svg")];
  writeFileSync(old, "as it was");
  await requireWritable(old);
  await requireWritable(fresh);
  expect([readFileSync(old, "utf8"), existsSync(fresh)]).toEqual(["as it was", false]);
  await expect(requireWritable(directory)).rejects.toMatchObject({ code: "EISDIR" });
  await expect(requireWritable(join(directory, "none", "a.svg"))).rejects.toMatchObject({ code: "ENOENT" });
  await expect(requireWritable(join(old, "a.svg"))).rejects.toMatchObject({ code: "ENOTDIR" });
  rmSync(directory, { recursive: true });
});
