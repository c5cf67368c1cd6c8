import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Standing } from "./admission.ts";
import { Completeness } from "./completeness.ts";
import { floorUnder } from "./floor.ts";
import {
  type CompletenessState,
  type CompletenessUnit,
  type CountedMembers,
  INITIAL_COMPLETENESS,
} from "./terms.ts";

const [A, B, C] = ["a~0000000000", "b~0000000000", "c~0000000000"] as const;
const RETENTION = 50;
const table = (ids: readonly string[], tableHash = ids.join(" ")): CountedMembers => ({ ids, tableHash });
const ABC = table([A, B, C]);
const AB = table([A, B], "c retired");

/** A founder, unless it is said otherwise. */
const FOUNDER: CompletenessState = { ...INITIAL_COMPLETENESS, recorded: true, complete: true };
const create = (state: Partial<CompletenessState> = {}): Completeness =>
  new Completeness(A, RETENTION, { ...FOUNDER, ...state });
const incomplete: Standing = { floor: 0, complete: false };
const unit = (completeThrough: number, part: Partial<CompletenessUnit> = {}): CompletenessUnit => ({
  sequence: completeThrough,
  completeThrough,
  tableHash: ABC.tableHash,
  settledAt: 0,
  complete: true,
  ...part,
});
const offer = (time: number, vector: Record<string, number> = {}) => ({
  time,
  vector: new Map(Object.entries(vector)),
});

/** A at 100 with everybody met, B and C as given. */
function met(b: CompletenessUnit | undefined, c: CompletenessUnit | undefined): Completeness {
  const node = create();
  node.exchanged(B, offer(100), incomplete, node.begin());
  node.exchanged(C, offer(100), incomplete, node.begin());
  node.unit(ABC, 100, 100);
  if (b !== undefined) node.absorb(B, b);
  if (c !== undefined) node.absorb(C, c);
  return node;
}

describe("the vector", () => {
  test("rises by what the peer offered, and never falls", () => {
    const node = create();
    node.exchanged(B, offer(80, { [C]: 60, [B]: 70 }), incomplete, node.begin());
    expect(node.state.vector).toEqual(
      new Map([
        [C, 60],
        [B, 80],
      ]),
    );
    node.exchanged(C, offer(90, { [B]: 10 }), incomplete, node.begin());
    node.exchanged(B, offer(5, { [C]: 7 }), incomplete, node.begin());
    expect(node.state.vector).toEqual(
      new Map([
        [C, 90],
        [B, 80],
      ]),
    );
  });

  test("has no entry of the node's own that a peer could raise", () => {
    const node = create();
    node.exchanged(B, offer(80, { [A]: 1000 }), incomplete, node.begin());
    expect(node.state.vector.get(A)).toBeUndefined();
    expect(node.completeThrough(table([A, B]), 70)).toBe(70);
  });

  test("is offered with the own time in it, as it was at that moment", () => {
    const node = create();
    node.exchanged(B, offer(80), incomplete, node.begin());
    const offered = node.offer(85);
    node.exchanged(B, offer(99), incomplete, node.begin());
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
    const begun = node.begin();
    node.retirementSettled(90);
    expect(node.isVoid(begun)).toBe(true);
    expect(node.exchanged(B, offer(80), incomplete, begun)).toBe("nothing");
    expect(node.state.vector.size).toBe(0);
    expect(node.exchanged(B, offer(80), incomplete, node.begin())).toBe("held");
  });

  test("keeps no entries of ids that are not counted", () => {
    const node = create();
    node.exchanged(B, offer(80, { [C]: 60 }), incomplete, node.begin());
    node.advance(AB);
    expect([...node.state.vector.keys()]).toEqual([B]);
  });
});

describe("completeness", () => {
  test("is the least of the counted members' entries and the own time; a member never met counts 0", () => {
    const node = create();
    node.exchanged(B, offer(80), incomplete, node.begin());
    expect(node.completeThrough(ABC, 100)).toBe(0);
    node.exchanged(C, offer(90), incomplete, node.begin());
    expect(node.completeThrough(ABC, 100)).toBe(80);
    expect(node.completeThrough(ABC, 70)).toBe(70);
    expect(node.completeThrough(table([A]), 100)).toBe(100);
  });

  test("is lost when a floor above what was ever confirmed is adopted by hearsay", () => {
    const node = met(undefined, undefined);
    expect(node.adoptFloor(100)).toEqual([{ kind: "floor", floor: 100 }]);
    expect(node.complete).toBe(true);
    expect(node.adoptFloor(101)).toEqual([
      { kind: "floor", floor: 101 },
      { kind: "incomplete", floor: 101, completeFloor: 100 },
    ]);
    expect(node.complete).toBe(false);
    expect(node.adoptFloor(150)).toEqual([{ kind: "floor", floor: 150 }]);
    for (const notAbove of [150, 149]) expect(node.adoptFloor(notAbove)).toEqual([]);
  });

  test("is not found again by a vector that reaches the floor: that says nothing of what should not be there", () => {
    const node = create({ complete: false, floor: 150 });
    for (const peer of [B, C]) node.exchanged(peer, offer(200), incomplete, node.begin());
    expect(node.unit(ABC, 201, 201)).toMatchObject({ completeThrough: 200, complete: false });
    expect(node.complete).toBe(false);
  });

  test("is got by an exchange with a complete peer at one floor", () => {
    const node = create({ complete: false, floor: 150 });
    expect(node.exchanged(B, offer(200), { floor: 150, complete: true }, node.begin())).toBe("exact");
    expect([node.complete, node.state.completeFloor]).toEqual([true, 150]);
  });

  test.each<[string, (node: Completeness) => void, Partial<Standing>, Partial<CompletenessState>]>([
    ["the peer is not complete", () => undefined, { complete: false }, {}],
    ["the peer stood at another floor", () => undefined, { floor: 149 }, {}],
    ["the floor has moved meanwhile", (node) => node.adoptFloor(151), {}, {}],
    ["the floor has moved to the peer's meanwhile", (node) => node.adoptFloor(151), { floor: 151 }, {}],
    ["another peer that cannot judge has brought something", (node) => node.disturbed(), {}, {}],
    ["a retirement was settled meanwhile", (node) => node.retirementSettled(160), {}, {}],
    ["no majority has recorded this node", () => undefined, {}, { recorded: false }],
  ])("is not got by an exchange when %s", (_, meanwhile, standing, state) => {
    const node = create({ complete: false, floor: 150, ...state });
    const begun = node.begin();
    meanwhile(node);
    const proof = node.exchanged(B, offer(200), { floor: 150, complete: true, ...standing }, begun);
    expect(proof).not.toBe("exact");
    expect(node.complete).toBe(false);
  });

  test("is not got from a dry run, which offers nothing", () => {
    const node = create({ complete: false });
    node.exchanged(B, offer(0), { floor: 0, complete: true }, node.begin());
    expect(node.complete).toBe(false);
  });

  test("counts from what the node has said before, so that a watermark of that does not end it", () => {
    const node = create({ complete: false });
    for (const peer of [B, C]) node.exchanged(peer, offer(100), incomplete, node.begin());
    node.unit(ABC, 100, 100);
    node.exchanged(B, offer(110), { floor: 0, complete: true }, node.begin());
    expect(node.adoptFloor(100)).toEqual([{ kind: "floor", floor: 100 }]);
    expect(node.complete).toBe(true);
  });

  test("is got by a watermark that the node takes itself and that reaches the floor, when nobody is complete", () => {
    const silent = { complete: false };
    const node = create({ complete: false, floor: 60 });
    for (const peer of [B, C]) node.exchanged(peer, offer(100), incomplete, node.begin());
    node.unit(ABC, 100, 100);
    node.absorb(B, unit(59, silent));
    node.absorb(C, unit(95, silent));
    expect(node.advance(ABC)).toEqual([{ kind: "watermark", watermark: 59 }]);
    expect(node.complete).toBe(false);
    node.absorb(B, unit(90, silent));
    expect(node.advance(ABC)).toContainEqual({ kind: "complete", floor: 60 });
    expect(node.complete).toBe(true);
  });

  test("is got by a watermark that reaches the very floor, also where it is no news any more", () => {
    const node = create({ complete: false, floor: 90, vector: new Map([B, C].map((peer) => [peer, 100])) });
    node.unit(ABC, 100, 100);
    node.absorb(B, unit(90, { complete: false }));
    node.absorb(C, unit(95));
    expect(node.advance(ABC)).toContainEqual({ kind: "watermark", watermark: 90 });
    node.absorb(C, unit(96, { complete: false }));
    expect(node.advance(ABC)).toEqual([{ kind: "complete", floor: 90 }]);
  });

  test("ends when something is taken that the node cannot judge, once", () => {
    const node = create({ floor: 60, completeFloor: 70 });
    expect(node.disturbed()).toEqual([{ kind: "incomplete", floor: 60, completeFloor: 70 }]);
    expect([node.complete, node.disturbed()]).toEqual([false, []]);
  });

  test("is not got by a watermark before a majority has recorded the node", () => {
    const node = create({ complete: false, recorded: false });
    for (const peer of [B, C]) node.exchanged(peer, offer(100), incomplete, node.begin());
    node.unit(ABC, 100, 100);
    for (const peer of [B, C]) node.absorb(peer, unit(90, { complete: false }));
    node.advance(ABC);
    expect([node.watermark, node.complete]).toEqual([90, false]);
  });

  test("is not got by a watermark while any counted member says that it is complete, nor by one of others", () => {
    const node = create({ complete: false, floor: 60 });
    for (const peer of [B, C]) node.exchanged(peer, offer(100), incomplete, node.begin());
    node.unit(ABC, 100, 100);
    node.absorb(B, unit(90, { complete: false }));
    node.absorb(C, unit(95));
    node.advance(ABC);
    expect([node.watermark, node.complete]).toEqual([90, false]);
    node.adoptWatermark(99);
    expect(node.complete).toBe(false);
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
    node.exchanged(B, offer(200), incomplete, node.begin());
    expect(node.unit(AB, 210, 210)).toBe(before);
    node.retirementSettled(211);
    expect(node.unit(AB, 212, 212)).toEqual({
      sequence: 212,
      completeThrough: 200,
      tableHash: AB.tableHash,
      settledAt: 211,
      complete: true,
    });
  });
});

describe("the watermark", () => {
  test("is the least completeness of all, once each has said it under the same table", () => {
    const node = met(unit(90), unit(95));
    expect(node.advance(ABC)).toEqual([
      { kind: "watermark", watermark: 90 },
      { kind: "floor", floor: floorUnder(90, RETENTION) },
    ]);
    expect(node.watermark).toBe(90);
    expect(node.advance(ABC)).toEqual([]);
  });

  test("that others have computed is not agreed here, and what is agreed goes on below it", () => {
    const node = met(unit(80), unit(95));
    node.advance(ABC);
    node.adoptWatermark(99);
    expect([node.watermark, node.agreement.through]).toEqual([99, 80]);
    node.absorb(B, unit(90));
    node.advance(ABC);
    expect([node.watermark, node.agreement.through]).toEqual([99, 90]);
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

  test("takes a look at all members only when the one that held it back has said more", () => {
    let looks = 0;
    const ids = new Proxy([A, B, C], {
      get: (list, name) => {
        if (name === Symbol.iterator) looks += 1;
        return Reflect.get(list, name);
      },
    });
    const members = { ids, tableHash: ABC.tableHash };
    const node = met(unit(60), unit(70));
    node.advance(members);
    const before = looks;
    for (const through of [80, 90, 95]) {
      node.absorb(C, unit(through));
      expect(node.advance(members)).toEqual([]);
    }
    expect(looks).toBe(before);
    node.absorb(B, unit(85));
    expect(node.advance(members)[0]).toEqual({ kind: "watermark", watermark: 85 });
    expect(looks).toBe(before + 1);
  });

  test("without any member does not exist", () => {
    expect(create().advance(table([]))).toEqual([]);
  });
});

test("who starts over knows as much as one that has yet to join, and when it last settled a retirement", () => {
  const node = met(unit(90), unit(95));
  node.retirementSettled(60);
  const begun = node.begin();
  node.unit(ABC, 100, 101);
  node.advance(ABC);
  expect([node.watermark, node.floor]).toEqual([90, 36]);
  node.startOver();
  expect(node.state).toEqual({ ...INITIAL_COMPLETENESS, settledAt: 60 });
  expect([node.agreement.through, node.unitOf(A), node.unitOf(B)]).toEqual([0, undefined, undefined]);
  expect(node.exchanged(B, offer(110), { floor: 0, complete: true }, begun)).toBe("nothing");
  expect(node.advance(ABC)).toEqual([]);
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
    recorded: true,
    complete: true,
    completeFloor: 100,
    floor: floorUnder(90, RETENTION),
    watermark: 90,
    settledAt: 60,
  });
  const again = new Completeness(A, RETENTION, state);
  expect(again.state).toEqual(state);
  again.exchanged(B, offer(500), incomplete, again.begin());
  node.exchanged(B, offer(400), incomplete, node.begin());
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

  test("watermark and floor never fall, and the floor is the one of the watermark", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const node = create();
        for (const next of history) {
          const before = node.state;
          run(node, next);
          const after = node.state;
          expect(after.watermark).toBeGreaterThanOrEqual(before.watermark);
          expect(after.floor).toBe(floorUnder(after.watermark, RETENTION));
          expect(after.completeFloor).toBeGreaterThanOrEqual(before.completeFloor);
          expect(after.settledAt).toBeGreaterThanOrEqual(before.settledAt);
          for (const [id, entry] of before.vector) expect(after.vector.get(id)).toBeGreaterThanOrEqual(entry);
          expect(!node.complete || after.completeFloor >= after.floor).toBe(true);
          expect(node.complete && !before.complete).toBe(false);
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
        node.exchanged(
          next.peer,
          offer(next.time, { [next.peer === B ? C : B]: next.other }),
          incomplete,
          node.begin(),
        );
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
