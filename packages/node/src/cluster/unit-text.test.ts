import { HLC_TIME_MAX } from "@hearsay/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatUnit, parseUnit } from "./unit-text.ts";

const time = fc.oneof(fc.constantFrom(0, HLC_TIME_MAX), fc.integer({ min: 0, max: HLC_TIME_MAX }));
const unit = fc.record({
  sequence: time,
  completeThrough: time,
  settledAt: time,
  tableHash: fc.stringMatching(/^[0-9a-f]{16}$/),
  complete: fc.boolean(),
});

test("a unit comes back from its text as it was, but for the bit that travels beside it", () => {
  fc.assert(
    fc.property(unit, (given) => {
      expect(parseUnit(formatUnit(given), given.complete)).toEqual(given);
      expect(formatUnit(given).length).toBeLessThanOrEqual(52);
    }),
  );
});

test("a text is the text of one unit or of none", () => {
  const nearly = fc.tuple(unit, fc.nat(60), fc.string({ maxLength: 2 })).map(([given, at, inserted]) => {
    const text = formatUnit(given);
    return text.slice(0, at) + inserted + text.slice(at + 1);
  });
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string()), (text) => {
      const parsed = parseUnit(text, true);
      if (parsed !== undefined) expect(parseUnit(formatUnit(parsed), true)).toEqual(parsed);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  "",
  "1.2.3",
  "1.2.3.0123456789abcde",
  "1.2.3.0123456789abcdeF",
  "1.2.3.0123456789abcdef.",
  "-1.2.3.0123456789abcdef",
  "1..3.0123456789abcdef",
  "zzzzzzzzzzz.2.3.0123456789abcdef",
])("%j is no unit", (text) => {
  expect(parseUnit(text, true)).toBeUndefined();
});
