/** The page of knobs against the server's table; apart from the other rules, which need nothing built. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KNOB_NAMES, KNOBS, type Knob, type KnobName, loadConfig, type Settings } from "@hearsay/server";
import { expect, onTestFinished, test } from "vitest";
import { unequalRows } from "./tidy.ts";

function rowOf<Name extends KnobName>(name: Name): string {
  const knob: Knob<Settings[Name]> = KNOBS[name];
  return `| \`${name}\` | ${knob.format(knob.fallback)} | ${knob.form} | ${knob.sets} | ${knob.reason} |`;
}

const path = "docs/configuration.md";
const text = readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

test("docs/configuration.md has every knob as the code defines it, and no other", () => {
  expect(unequalRows({ path, text }, KNOB_NAMES.map(rowOf))).toEqual([]);
});

test("the file that docs/configuration.md shows is one that a node takes", () => {
  const directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "hearsay.yaml");
  writeFileSync(file, /^```yaml\n(.*?)^```$/ms.exec(text)?.[1] ?? "");
  expect(loadConfig({ flags: {}, environment: {}, file }).settings).toMatchObject({ name: "n1" });
});
