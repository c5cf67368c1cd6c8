import { KNOB_NAMES, KNOBS, variableName } from "@hearsay/server";
import { describe, expect, it, test } from "vitest";
import { settingRows } from "./setting-rows.ts";

describe("a setting is given to programs without units", () => {
  it.each<[string, string, unknown]>([
    ["limits.maxValueBytes", "2MiB", 2 * 1024 ** 2],
    ["shutdown.graceMs", "7s", 7000],
    ["limits.maxScans", "3", 3],
    ["log.requests", "true", true],
    ["cluster", "blue", "blue"],
    ["conflicts.policy", "a/=keep,b/=discard", { "a/": "keep", "b/": "discard" }],
    ["security.hosts", "a,b", ["a", "b"]],
  ])("%s=%s", (name, value, raw) => {
    const rows: unknown = JSON.parse(JSON.stringify(settingRows({}, { [variableName(name)]: value })));
    expect(rows).toContainEqual({ name, value, raw, origin: variableName(name) });
  });
});

test("secrets are shown to nobody", () => {
  const secrets = KNOB_NAMES.filter((name) => KNOBS[name].kind === "secret");
  const env = Object.fromEntries(secrets.map((name) => [variableName(name), `not for the eyes: ${name}`]));
  const rows = settingRows({}, env);
  expect(secrets).toContain("security.clusterSecret");
  for (const name of secrets) {
    expect(rows).toContainEqual({ name, value: "(set)", raw: null, origin: variableName(name) });
  }
  expect(JSON.stringify(rows)).not.toContain("not for the eyes");
});
