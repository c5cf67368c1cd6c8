import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  Completeness,
  type CompletenessState,
  type CompletenessUnit,
  type CountedMembers,
  INITIAL_COMPLETENESS,
} from "./completeness.ts";

const [A, B, C] = ["a~0000000000", "b~0000000000", "c~0000000000"] as const;
const RETENTION = 50;
const table = (ids: readonly string[], tableHash = ids.join(" ")): CountedMembers => ({ ids, tableHash });
const ABC = table([A, B, C]);
const AB = table([A, B], "c retired");

const create = (state: Partial<CompletenessState> = {}): Completeness =>
  new Completeness(A, RETENTION, { ...INITIAL_COMPLETENESS, ...state });
const unit = (completeThrough: number, part: Partial<CompletenessUnit> = {}): CompletenessUnit => ({
  sequence: completeThrough,
  completeThrough,
  tableHash: ABC.tableHash,
  settledAt: 0,
  ...part,
});
const offer = (time: number, vector: Record<string, number> = {}) => ({
  time,
  vector: new Map(Object.entries(vector)),
});

/** A at 100 with everybody met, B and C as given. */
function met(b: CompletenessUnit | undefined, c: CompletenessUnit | undefined): Completeness {
  const node = create();
  node.exchanged(B, offer(100), node.epoch);
  node.exchanged(C, offer(100), node.epoch);
  node.unit(ABC, 100, 100);
  if (b !== undefined) node.absorb(B, b);
  if (c !== undefined) node.absorb(C, c);
  return node;
}

describe("the vector", () => {
  test("rises by what the peer offered, and never falls", () => {
    const node = create();
    node.exchanged(B, offer(80, { [C]: 60, [B]: 70 }), node.epoch);
    expect(node.state.vector).toEqual(
      new Map([
        [C, 60],
        [B, 80],
      ]),
    );
    node.exchanged(C, offer(90, { [B]: 10 }), node.epoch);
    node.exchanged(B, offer(5, { [C]: 7 }), node.epoch);
    expect(node.state.vector).toEqual(
      new Map([
        [C, 90],
        [B, 80],
      ]),
    );
  });

  test("has no entry of the node's own that a peer could raise", () => {
    const node = create();
    node.exchanged(B, offer(80, { [A]: 1000 }), node.epoch);
    expect(node.state.vector.get(A)).toBeUndefined();
    expect(node.completeThrough(table([A, B]), 70)).toBe(70);
  });

  test("is offered with the own time in it, as it was at that moment", () => {
    const node = create();
    node.exchanged(B, offer(80), node.epoch);
    const offered = node.offer(85);
    node.exchanged(B, offer(99), node.epoch);
    expect(offered).toEqual({
      time: 85,
      vector: new Map([
        [B, 80],
        [A, 85],
      ]),
    });
  });

  test("is not moved by an exchange begun before a retirement was settled", () => {
    const node = create();
    const { epoch } = node;
    node.retirementSettled(90);
    expect(node.exchanged(B, offer(80), epoch)).toBe(false);
    expect(node.state.vector.size).toBe(0);
    expect(node.exchanged(B, offer(80), node.epoch)).toBe(true);
  });

  test("keeps no entries of ids that are not counted", () => {
    const node = create();
    node.exchanged(B, offer(80, { [C]: 60 }), node.epoch);
    node.advance(AB);
    expect([...node.state.vector.keys()]).toEqual([B]);
  });
});

describe("completeness", () => {
  test("is the least of the counted members' entries and the own time; a member never met counts 0", () => {
    const node = create();
    node.exchanged(B, offer(80), node.epoch);
    expect(node.completeThrough(ABC, 100)).toBe(0);
    node.exchanged(C, offer(90), node.epoch);
    expect(node.completeThrough(ABC, 100)).toBe(80);
    expect(node.completeThrough(ABC, 70)).toBe(70);
    expect(node.completeThrough(table([A]), 100)).toBe(100);
  });

  test("is lost when a floor above what was ever confirmed is adopted by hearsay, and found again", () => {
    const node = met(undefined, undefined);
    expect(node.adoptFloor(100)).toEqual([{ kind: "floor", floor: 100 }]);
    expect(node.complete).toBe(true);
    expect(node.adoptFloor(101)).toEqual([
      { kind: "floor", floor: 101 },
      { kind: "incomplete", floor: 101, completeFloor: 100 },
    ]);
    expect(node.complete).toBe(false);
    expect(node.adoptFloor(150)).toEqual([{ kind: "floor", floor: 150 }]);
    node.exchanged(B, offer(150), node.epoch);
    node.exchanged(C, offer(150), node.epoch);
    expect(node.complete).toBe(false);
    node.unit(ABC, 151, 151);
    expect(node.complete).toBe(true);
  });

  test("once confirmed stays so when a new member, never met, brings the present value to 0", () => {
    const node = met(undefined, undefined);
    expect(node.unit(table([A, B, C, "d~0000000000"]), 120, 120).completeThrough).toBe(0);
    expect(node.state.completeFloor).toBe(100);
  });
});

describe("units", () => {
  test("out of order: the one with the greatest sequence holds", () => {
    const node = create();
    node.absorb(B, unit(50, { sequence: 7 }));
    node.absorb(B, unit(90, { sequence: 6 }));
    node.absorb(B, unit(80, { sequence: 7 }));
    expect(node.unitOf(B)?.completeThrough).toBe(50);
    node.absorb(B, unit(60, { sequence: 8 }));
    expect(node.unitOf(B)?.completeThrough).toBe(60);
  });

  test("of this node are its own to make", () => {
    const node = met(undefined, undefined);
    node.absorb(A, unit(5000));
    expect(node.unitOf(A)?.completeThrough).toBe(100);
  });

  test("of a retired id are forgotten", () => {
    const node = met(unit(90), unit(95));
    node.advance(AB);
    expect(node.unitOf(C)).toBeUndefined();
    expect(node.unitOf(B)).toBeDefined();
  });

  test("stand still between a retirement and its settling", () => {
    const node = met(unit(90), unit(95));
    const before = node.unitOf(A);
    node.exchanged(B, offer(200), node.epoch);
    expect(node.unit(AB, 210, 210)).toBe(before);
    node.retirementSettled(211);
    expect(node.unit(AB, 212, 212)).toEqual({
      sequence: 212,
      completeThrough: 200,
      tableHash: AB.tableHash,
      settledAt: 211,
    });
  });
});

describe("the watermark", () => {
  test("is the least completeness of all, once each has said it under the same table", () => {
    const node = met(unit(90), unit(95));
    expect(node.advance(ABC)).toEqual([
      { kind: "watermark", watermark: 90 },
      { kind: "floor", floor: 40 },
    ]);
    expect(node.watermark).toBe(90);
    expect(node.advance(ABC)).toEqual([]);
  });

  test.each<[string, CompletenessUnit | undefined]>([
    ["a member is silent", undefined],
    ["a member speaks under another table", unit(95, { tableHash: "other" })],
    ["a retirement was settled after what a member confirms", unit(95, { settledAt: 91 })],
  ])("stands still while %s", (_, c) => {
    const node = met(unit(90), c);
    expect(node.advance(ABC)).toEqual([]);
    expect(node.watermark).toBe(0);
  });

  test("moves again when all confirm what was after the settling", () => {
    const node = met(unit(91), unit(95, { settledAt: 91 }));
    expect(node.advance(ABC)[0]).toEqual({ kind: "watermark", watermark: 91 });
  });

  test("stands still until this node speaks under its own new table", () => {
    const node = met(unit(90, { tableHash: AB.tableHash }), undefined);
    node.retirementSettled(80);
    expect(node.advance(AB)).toEqual([]);
    node.unit(AB, 101, 101);
    expect(node.advance(AB)[0]).toEqual({ kind: "watermark", watermark: 90 });
  });

  test("is taken from others when it is larger, and never otherwise", () => {
    const node = create();
    expect(node.adoptWatermark(80).map((event) => event.kind)).toEqual(["watermark", "floor", "incomplete"]);
    for (const other of [80, 79, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(node.adoptWatermark(other)).toEqual([]);
    }
    expect([node.watermark, node.floor]).toEqual([80, 30]);
  });

  test("without any member does not exist", () => {
    expect(create().advance(table([]))).toEqual([]);
  });
});

describe("what holds the watermark back", () => {
  test("names each member with its reason", () => {
    const node = met(unit(90), undefined);
    const member = (node: string, reason: string, completeThrough: number) => ({
      node,
      reason,
      completeThrough,
    });
    expect(node.heldBackBy(ABC)).toEqual([member(C, "silent", 0)]);
    node.absorb(C, unit(96, { tableHash: "other" }));
    expect(node.heldBackBy(ABC)).toEqual([member(C, "other_table", 96)]);
    node.absorb(C, unit(97, { settledAt: 95 }));
    expect(node.heldBackBy(ABC)).toEqual([member(B, "unsettled", 90)]);
    node.absorb(B, unit(99));
    expect(node.heldBackBy(ABC)).toEqual([]);
    node.advance(ABC);
    expect(node.heldBackBy(ABC)).toEqual([member(C, "behind", 97)]);
  });

  test("names this node when it has said nothing under its table", () => {
    const node = met(unit(90), unit(95));
    node.retirementSettled(100);
    expect(node.heldBackBy(ABC).map(({ node: id, reason }) => [id, reason])).toEqual([
      [A, "silent"],
      [B, "unsettled"],
      [C, "unsettled"],
    ]);
  });
});

test("the state comes back as it was, and shares nothing with the node", () => {
  const node = met(unit(90), unit(95));
  node.retirementSettled(60);
  node.unit(ABC, 100, 101);
  node.advance(ABC);
  const { state } = node;
  expect(state).toEqual({
    vector: new Map([
      [B, 100],
      [C, 100],
    ]),
    completeFloor: 100,
    floor: 40,
    watermark: 90,
    settledAt: 60,
  });
  const again = new Completeness(A, RETENTION, state);
  expect(again.state).toEqual(state);
  again.exchanged(B, offer(500), again.epoch);
  node.exchanged(B, offer(400), node.epoch);
  expect(state.vector.get(B)).toBe(100);
});

test("a restart that finds the settling of a retirement undone settles it later, never earlier", () => {
  const node = create({ settledAt: 70 });
  node.retirementSettled(60);
  expect(node.state.settledAt).toBe(70);
});

describe("whatever happens", () => {
  const time = fc.integer({ min: 1, max: 300 });
  const someone = fc.constantFrom(B, C);
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("exchanged" as const), peer: someone, time, other: time }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("unit" as const), time }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("absorb" as const),
        peer: someone,
        time,
        hash: fc.constantFrom(ABC.tableHash, ABC.tableHash, ABC.tableHash, "other"),
        sequence: time,
        settledAt: fc.constantFrom(0, 0, 0, 60, 120),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("settled" as const), time: fc.constantFrom(20, 60, 120) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("hear" as const), time }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const) }) },
  );
  const steps = fc.array(step, { minLength: 20, maxLength: 80, size: "max" });

  test("watermark and floor never fall, and the floor is the watermark's less the retention", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const node = create();
        for (const next of history) {
          const before = node.state;
          run(node, next);
          const after = node.state;
          expect(after.watermark).toBeGreaterThanOrEqual(before.watermark);
          expect(after.floor).toBe(Math.max(0, after.watermark - RETENTION));
          expect(after.completeFloor).toBeGreaterThanOrEqual(before.completeFloor);
          expect(after.settledAt).toBeGreaterThanOrEqual(before.settledAt);
          for (const [id, entry] of before.vector) expect(after.vector.get(id)).toBeGreaterThanOrEqual(entry);
          expect(node.complete).toBe(after.completeFloor >= after.floor);
        }
      }),
    );
  });

  test("the watermark a node computes is never above a counted member's completeness, nor before a settling", () => {
    let risen = 0;
    fc.assert(
      fc.property(steps, (history) => {
        const node = create();
        for (const next of history) {
          if (next.do === "hear") continue;
          const before = node.watermark;
          run(node, next);
          if (node.watermark === before) continue;
          risen += 1;
          expect(next.do).toBe("advance");
          for (const id of ABC.ids) {
            const said = node.unitOf(id);
            expect(said?.tableHash).toBe(ABC.tableHash);
            expect(said?.completeThrough).toBeGreaterThanOrEqual(node.watermark);
            expect(said?.settledAt).toBeLessThanOrEqual(node.watermark);
          }
        }
      }),
      { numRuns: 500 },
    );
    expect(risen).toBeGreaterThan(20);
  });

  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
  function run(node: Completeness, next: Step): void {
    switch (next.do) {
      case "exchanged":
        node.exchanged(next.peer, offer(next.time, { [next.peer === B ? C : B]: next.other }), node.epoch);
        break;
      case "unit":
        node.unit(ABC, next.time, next.time);
        break;
      case "absorb":
        node.absorb(
          next.peer,
          unit(next.time, { tableHash: next.hash, sequence: next.sequence, settledAt: next.settledAt }),
        );
        break;
      case "settled":
        node.retirementSettled(next.time);
        break;
      case "hear":
        node.adoptWatermark(next.time);
        break;
      case "advance":
        node.advance(ABC);
        break;
    }
  }
});
