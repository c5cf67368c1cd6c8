import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePlain, encodePlain } from "./plain.ts";
import type { ScanLimits } from "./scan.ts";
import {
  bool,
  bytes,
  count,
  float,
  list,
  Malformed,
  mapOf,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  text,
  union,
} from "./shape.ts";

const limits: ScanLimits = {
  maxBytes: 1_000_000,
  maxItems: 100_000,
  maxDepth: 32,
  maxStringBytes: 1000,
  maxBinaryBytes: 1000,
  maps: "refused",
};

interface Probe {
  readonly kind: "probe";
  readonly round: number;
  readonly names: readonly string[];
}
interface Answer {
  readonly kind: "answer";
  readonly ok: boolean;
  readonly load: number;
  readonly color: "red" | "blue";
  readonly blob: Uint8Array | null;
  readonly seen: ReadonlyMap<string, number>;
}

const message: Shape<Probe | Answer> = union<Probe | Answer>({
  probe: [1, object({ round: count, names: list(text(10), 3) })],
  answer: [
    2,
    object({
      ok: bool,
      load: float,
      color: oneOf("red", "blue"),
      blob: nullable(bytes(4)),
      seen: mapOf(text(10), count, 5),
    }),
  ],
});

function overTheWire<T>(shape: Shape<T>, value: T): T {
  const decoded = decodePlain(encodePlain(shape.toPlain(value)), limits);
  if ("fault" in decoded) throw new Error(JSON.stringify(decoded.fault));
  return shape.fromPlain(decoded.value);
}

test("whatever a shape allows comes back equal from the wire", () => {
  const probe = fc.record({
    kind: fc.constant("probe" as const),
    round: fc.maxSafeNat(),
    names: fc.array(fc.string({ maxLength: 10 }), { maxLength: 3 }),
  });
  const answer = fc.record({
    kind: fc.constant("answer" as const),
    ok: fc.boolean(),
    load: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
    color: fc.constantFrom("red" as const, "blue" as const),
    blob: fc.option(fc.uint8Array({ maxLength: 4 })),
    seen: fc
      .array(fc.tuple(fc.string({ maxLength: 10 }), fc.nat()), { maxLength: 5 })
      .map((entries) => new Map(entries)),
  });
  fc.assert(
    fc.property(fc.oneof(probe, answer), (value) => {
      expect(overTheWire(message, value)).toEqual(value);
    }),
  );
});

test("whatever else arrives is refused as malformed and as nothing else", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      try {
        message.fromPlain(value);
      } catch (error) {
        expect(error).toBeInstanceOf(Malformed);
      }
    }),
  );
});

test.each([
  ["an unknown kind", [9, []]],
  ["a missing field", [1, [3]]],
  ["a list over its bound", [1, [3, ["a", "b", "c", "d"]]]],
  ["a text over its bound", [1, [3, ["abcdefghijk"]]]],
  ["a negative count", [1, [-1, []]]],
  ["repeated keys in a map", [2, [true, 1, 0, null, ["a", 1, "a", 2]]]],
  ["bytes over their bound", [2, [true, 1, 0, new Uint8Array(5), []]]],
])("%s is malformed", (_, plain) => {
  expect(() => message.fromPlain(plain)).toThrow(Malformed);
});

test("a newer reader takes the default for a field that an older sender does not know, and an older one ignores it", () => {
  interface Old {
    readonly a: number;
  }
  interface New extends Old {
    readonly b: string;
  }
  const older: Shape<Old> = object({ a: count });
  const newer: Shape<New> = object({ a: count, b: optional(text(9), "none") });
  expect(newer.fromPlain(older.toPlain({ a: 1 }))).toEqual({ a: 1, b: "none" });
  expect(older.fromPlain(newer.toPlain({ a: 1, b: "some" }))).toEqual({ a: 1 });
});
