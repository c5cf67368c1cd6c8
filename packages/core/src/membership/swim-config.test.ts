import { expect, test } from "vitest";
import { SWIM_DEFAULTS, type SwimConfig, validateSwimConfig } from "./swim-config.ts";

test("the defaults are memberlist's LAN profile, and valid", () => {
  expect(SWIM_DEFAULTS).toMatchObject({
    probeIntervalMs: 1_000,
    probeTimeoutMs: 500,
    indirectProbes: 3,
    suspicionMult: 4,
    suspicionMaxTimeoutMult: 6,
    localHealthMax: 8,
    retransmitMult: 4,
    pushPullIntervalMs: 30_000,
  });
  expect(validateSwimConfig(SWIM_DEFAULTS)).toEqual([]);
});

test.each<[keyof SwimConfig, Partial<SwimConfig>]>([
  ["probeIntervalMs", { probeIntervalMs: 0 }],
  ["suspicionMult", { suspicionMult: 1.5 }],
  ["indirectProbes", { indirectProbes: -1 }],
  ["probeTimeoutMs", { probeTimeoutMs: 1_000 }],
  ["pushPullIntervalMs", { pushPullIntervalMs: 500 }],
  ["membersMax", { membersMax: 1 }],
  ["broadcastsMax", { broadcastsMax: 10 }],
  ["relaysMax", { relaysMax: Number.NaN }],
])("a %s that cannot work is named", (knob, changes) => {
  const faults = validateSwimConfig({ ...SWIM_DEFAULTS, ...changes });
  expect(faults.map((fault) => fault.knob)).toContain(knob);
});
