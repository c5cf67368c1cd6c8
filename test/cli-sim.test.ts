/** `hearsay sim` as users run it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { documents, hearsay, temporaryDirectory } from "./cli-process.ts";

const directory = temporaryDirectory();
afterAll(() => directory.remove());

it("prints published figures beside measured ones", async () => {
  const { code, text } = await hearsay(["sim", "paper", "memberlist", "phi"]);
  expect(code).toBe(0);
  expect(text).toMatch(/^mult 3, 99 nodes +retransmit limit +6 +6 +6 to 6 +ok$/m);
  expect(text).toMatch(/^1400 ms of silence +φ +4\.7 +4\.74 .*ok$/m);
});

it("goes beyond the tables with flags, and writes the plot and JSON", async () => {
  const svg = join(directory.path, "infection.svg");
  const flags = ["--nodes", "60", "--fanout", "2", "--loss", "0.1", "--runs", "2", "--svg", svg, "--json"];
  const finished = await hearsay(["sim", "paper", "rounds", ...flags]);
  expect(finished.code).toBe(0);
  expect(documents(finished)).toMatchObject([
    { tables: [{ name: "rounds", figures: [{ setting: "push, 60 nodes", ok: true }, {}, {}] }] },
  ]);
  expect(readFileSync(svg, "utf8")).toContain("push-pull: all after");
  const nowhere = await hearsay(["sim", "paper", "rounds", ...flags, "--svg", join(svg, "plot.svg")]);
  // Before anything is measured, as that can take minutes.
  expect([nowhere.code, nowhere.text]).toEqual([1, ""]);
  expect(nowhere.err).toContain("ENOTDIR");
});

it("fits how figures grow", async () => {
  const { code, text } = await hearsay(["sim", "scale", "swim", "--nodes", "10,20,40"]);
  expect(code).toBe(0);
  expect(text).toMatch(/^messages a node and second( +2\.0\d*){3} +about 2\.0\d$/m);
});

it("says which tables there are when one is misspelt, and refuses settings out of range", async () => {
  const misspelt = await hearsay(["sim", "paper", "demeres"]);
  expect([misspelt.code, misspelt.err]).toEqual([2, expect.stringContaining("demers")]);
  expect((await hearsay(["sim", "paper", "--loss", "2"])).code).toBe(2);
  expect((await hearsay(["sim", "scale", "--nodes", "1"])).code).toBe(2);
});
