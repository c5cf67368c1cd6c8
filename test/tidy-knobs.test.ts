/** The page of knobs against the server's table; apart from the other rules, which need nothing built. */
import { readFileSync } from "node:fs";
import { KNOB_NAMES, KNOBS, type Knob, type KnobName, type Settings } from "@hearsay/server";
import { expect, test } from "vitest";
import { unequalRows } from "./tidy.ts";

function rowOf<Name extends KnobName>(name: Name): string {
  const knob: Knob<Settings[Name]> = KNOBS[name];
  return `| \`${name}\` | ${knob.format(knob.fallback)} | ${knob.form} | ${knob.sets} | ${knob.reason} |`;
}

test("docs/configuration.md has every knob as the code defines it, and no other", () => {
  const path = "docs/configuration.md";
  const text = readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
  expect(unequalRows({ path, text }, KNOB_NAMES.map(rowOf))).toEqual([]);
});
