import { expect, test } from "vitest";
import { DEFAULT_RUMOR_OPTIONS, sendsLimit, validateRumorOptions } from "./options.ts";

test("the defaults are valid", () => {
  expect(validateRumorOptions(DEFAULT_RUMOR_OPTIONS)).toEqual([]);
});

test("each fault names its option, and all are found at once", () => {
  const options = {
    ...DEFAULT_RUMOR_OPTIONS,
    k: 0,
    fanout: 1.5,
    coalesceMs: Number.NaN,
    inlineMaxBytes: 1e9,
  };
  expect(validateRumorOptions(options)).toEqual([
    { code: "option_out_of_range", option: "coalesceMs", min: 0 },
    { code: "option_out_of_range", option: "k", min: 1 },
    { code: "option_not_whole", option: "fanout" },
    { code: "option_exceeds", option: "inlineMaxBytes", other: "maxMessageBytes" },
  ]);
  const slow = { ...DEFAULT_RUMOR_OPTIONS, coalesceMs: 2000, lingerMs: 2000 };
  expect(validateRumorOptions(slow)).toEqual([
    { code: "option_exceeds", option: "coalesceMs", other: "requestTimeoutMs" },
    { code: "option_exceeds", option: "lingerMs", other: "requestTimeoutMs" },
  ]);
});

test("the bound on sends grows with the logarithm of the cluster", () => {
  expect(
    [1, 3, 31, 32, 1000].map((n) => sendsLimit({ ...DEFAULT_RUMOR_OPTIONS, sendsFactor: 1 }, n)),
  ).toEqual([1, 2, 5, 6, 10]);
});
