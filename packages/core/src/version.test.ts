import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HLC_TIME_MAX } from "./clock.ts";
import { compareVersions, formatVersion, parseVersion, sameVersion, type Version } from "./version.ts";

const node = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?~[0-9a-z]{10}$/);
const time = fc.oneof(
  fc.nat(HLC_TIME_MAX),
  fc.nat(5),
  fc.nat(5).map((n) => HLC_TIME_MAX - n),
);
const version = fc.record({ time, node });

describe("the text of a version", () => {
  test("gives the version back", () => {
    fc.assert(
      fc.property(version, (original) => {
        const text = formatVersion(original);
        expect(parseVersion(text)).toEqual(original);
        expect(text).toMatch(/^[!-~]+$/);
        expect(text).not.toMatch(/["',\\]/);
        expect(text.length).toBeLessThanOrEqual(86);
      }),
    );
  });

  test("sorts as the version does", () => {
    const near = fc
      .tuple(version, version, fc.boolean())
      .map(([a, b, sameTime]): [Version, Version] => [a, sameTime ? { ...b, time: a.time } : b]);
    fc.assert(
      fc.property(near, ([a, b]) => {
        const [x, y] = [formatVersion(a), formatVersion(b)];
        expect(Math.sign(compareVersions(a, b))).toBe(x === y ? 0 : x < y ? -1 : 1);
      }),
    );
  });

  test.each([
    "",
    "-",
    "00000000001",
    "00000000001-",
    "0000000001-a~0000000000",
    "000000000001-a~0000000000",
    "0000000000A-a~0000000000",
    "+0000000001-a~0000000000",
    "0000000000.-a~0000000000",
    "2gosa7pa2gw-a~0000000000",
    "zzzzzzzzzzz-a~0000000000",
    "00000000001_a~0000000000",
    "00000000001-a~000000000",
    "00000000001-a~0000000000 ",
    " 00000000001-a~0000000000",
    "00000000001-a~0000000000,",
    "00000000001-á~0000000000",
  ])("is refused when it is none of ours: %j", (text) => {
    expect(parseVersion(text)).toBeUndefined();
  });

  test("of the last time there is, is taken", () => {
    expect(parseVersion("2gosa7pa2gv-a~0000000000")?.time).toBe(HLC_TIME_MAX);
  });

  test("has one spelling: what is taken is what we would write", () => {
    const shaped = fc.stringMatching(/^[0-9a-z]{11}-[a-z]~[0-9a-z]{10}$/);
    fc.assert(
      fc.property(fc.oneof(shaped, fc.string()), (text) => {
        const parsed = parseVersion(text);
        if (parsed !== undefined) expect(formatVersion(parsed)).toBe(text);
      }),
    );
  });
});

test("versions are totally ordered", () => {
  const few = fc.record({
    time: fc.nat(3),
    node: fc.constantFrom("a~0000000000", "A~0000000000", "b~0000000000"),
  });
  fc.assert(
    fc.property(few, few, few, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b))).toBe(0 - Math.sign(compareVersions(b, a)));
      expect(compareVersions(a, b) === 0).toBe(sameVersion(a, b));
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
        expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }
    }),
  );
});
