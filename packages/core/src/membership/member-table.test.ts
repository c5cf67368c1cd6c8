import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { comparePrecedence, GENERATION_MAX, isWellFormed, type Member, type Update } from "./member.ts";
import { MemberTable } from "./member-table.ts";
import { identityHash, memberOf } from "./virtual-cluster.contract.ts";

const idOf = (name: string): string => memberOf(name).id;
const tableOf = (updates: readonly Update[], limits = { membersMax: 100, retiredMax: 100 }): MemberTable => {
  const table = new MemberTable({ ...limits, hash: identityHash });
  for (const update of updates) table.apply(update);
  return table;
};
const contentOf = (table: MemberTable): unknown => ({
  members: table.members().sort((a, b) => (a.id < b.id ? -1 : 1)),
  retired: table.retiredAfter("", 100),
  hash: table.counted().tableHash,
});
const updatesOf = (table: MemberTable): Update[] => [
  ...table.members().map((member): Update => ({ kind: "member", member })),
  ...table.retiredAfter("", 100).map((id): Update => ({ kind: "retired", id })),
];

const anyMember: fc.Arbitrary<Member> = fc
  .record({
    name: fc.constantFrom("a", "b", "c"),
    address: fc.constantFrom("x:1", "y:1"),
    generation: fc.nat(2),
    state: fc.constantFrom("alive", "suspect", "dead", "stopped"),
    zone: fc.constantFrom("", "z"),
    build: fc.constantFrom("", "1"),
    protocol: fc.constantFrom({ min: 1, max: 1 }, { min: 1, max: 2 }),
  })
  .map(({ name, ...fields }) => memberOf(name, fields));
const anyUpdate: fc.Arbitrary<Update> = fc.oneof(
  { weight: 6, arbitrary: anyMember.map((member): Update => ({ kind: "member", member })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("a", "b", "c").map((name): Update => ({ kind: "retired", id: idOf(name) })),
  },
);
const anyUpdates = fc.array(anyUpdate, { maxLength: 12 });

describe("merging tables", () => {
  test("is commutative, associative and idempotent, whatever came in which order", () => {
    fc.assert(
      fc.property(anyUpdates, anyUpdates, anyUpdates, (a, b, c) => {
        const merged = contentOf(tableOf([...a, ...b, ...c]));
        expect(contentOf(tableOf([...c, ...b, ...a]))).toEqual(merged);
        expect(contentOf(tableOf([...a, ...a, ...b, ...c, ...b]))).toEqual(merged);
        const left = updatesOf(tableOf([...a, ...b]));
        const right = updatesOf(tableOf([...b, ...c]));
        expect(contentOf(tableOf([...left, ...c]))).toEqual(merged);
        expect(contentOf(tableOf([...a, ...right]))).toEqual(merged);
      }),
    );
  });

  test("precedence is a total order: two entries are equal only when they say the same", () => {
    fc.assert(
      fc.property(anyMember, anyMember, anyMember, (a, b, c) => {
        expect(Math.sign(comparePrecedence(a, b))).toBe(-Math.sign(comparePrecedence(b, a)) + 0);
        const same = JSON.stringify({ ...a, id: "" }) === JSON.stringify({ ...b, id: "" });
        expect(comparePrecedence(a, b) === 0).toBe(same);
        if (comparePrecedence(a, b) >= 0 && comparePrecedence(b, c) >= 0) {
          expect(comparePrecedence(a, c)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test.each([
    ["suspect over alive of the same generation", { state: "suspect" }, { state: "alive" }],
    ["dead over suspect", { state: "dead" }, { state: "suspect" }],
    ["stopped, which only the member says, over dead", { state: "stopped" }, { state: "dead" }],
    ["a greater generation over death", { state: "alive", generation: 1 }, { state: "dead" }],
    ["a greater generation over stopped", { state: "suspect", generation: 1 }, { state: "stopped" }],
  ] as const)("%s", (_, winner, loser) => {
    expect(comparePrecedence(memberOf("a", winner), memberOf("a", loser))).toBeGreaterThan(0);
  });

  test("a retired id never comes back, whatever its generation", () => {
    const table = tableOf([{ kind: "retired", id: idOf("a") }]);
    expect(table.apply({ kind: "member", member: memberOf("a", { generation: 9 }) })).toEqual({
      kind: "unchanged",
    });
    expect(table.stateOf(idOf("a"))).toBe("retired");
    expect(table.counted().ids).toEqual([]);
  });
});

describe("the table hash", () => {
  test("covers ids and retirements, and neither states nor generations", () => {
    const member = (changes: Partial<Member>): Update => ({ kind: "member", member: memberOf("a", changes) });
    const hash = (...updates: Update[]): string => tableOf(updates).counted().tableHash;
    expect(hash(member({ state: "dead", generation: 4 }))).toBe(hash(member({})));
    expect(hash(member({}), { kind: "retired", id: idOf("b") })).not.toBe(hash(member({})));
    expect(hash({ kind: "retired", id: idOf("a") })).not.toBe(hash(member({})));
  });
});

describe("a table at its bounds", () => {
  test("takes no further member, and goes on updating those it has", () => {
    const table = tableOf([{ kind: "member", member: memberOf("a") }], { membersMax: 1, retiredMax: 1 });
    expect(table.full).toBe(true);
    expect(table.apply({ kind: "member", member: memberOf("b") })).toEqual({ kind: "full" });
    expect(table.apply({ kind: "member", member: memberOf("a", { state: "dead" }) }).kind).toBe("changed");
  });

  test("keeps every retirement it has, and counts on whom it cannot retire", () => {
    const table = tableOf(
      [
        { kind: "member", member: memberOf("b") },
        { kind: "retired", id: idOf("a") },
      ],
      { membersMax: 5, retiredMax: 1 },
    );
    expect(table.apply({ kind: "retired", id: idOf("b") })).toEqual({ kind: "full" });
    expect(table.isRetired(idOf("a"))).toBe(true);
    expect(table.counted().ids).toEqual([idOf("b")]);
  });
});

test("retired ids are paged in byte order, each exactly once", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 100, max: 199 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      (numbers, size) => {
        const ids = numbers.map((number) => idOf(`n${number}`));
        const table = tableOf(ids.map((id) => ({ kind: "retired", id })));
        const seen: string[] = [];
        for (
          let page = table.retiredAfter("", size);
          page.length > 0;
          page = table.retiredAfter(page.at(-1) ?? "", size)
        ) {
          seen.push(...page);
        }
        expect(seen).toEqual([...ids].sort());
      },
    ),
  );
});

test("a namesake is a live member of the same name under another id at another address", () => {
  const first = memberOf("a", { address: "x:1" });
  const table = tableOf([{ kind: "member", member: first }]);
  const second: Member = { ...first, id: `a~${"1".repeat(10)}`, address: "y:1" };
  expect(table.liveNamesake(second)).toBe(first);
  expect(table.liveNamesake({ ...second, address: "x:1" })).toBeUndefined();
  expect(table.liveNamesake(first)).toBeUndefined();
  table.apply({ kind: "member", member: { ...first, state: "dead" } });
  expect(table.liveNamesake(second)).toBeUndefined();
});

test.each([
  ["no id", { id: "a" }],
  ["an empty address", { address: "" }],
  ["an endless address", { address: "x".repeat(262) }],
  ["an endless zone", { zone: "x".repeat(64) }],
  ["an endless build", { build: "x".repeat(64) }],
  ["a generation that is no whole number", { generation: 0.5 }],
  ["a generation that leaves no room to refute", { generation: GENERATION_MAX + 1 }],
  ["a protocol range upside down", { protocol: { min: 2, max: 1 } }],
])("a member with %s is malformed", (_, changes) => {
  expect(isWellFormed(memberOf("a"))).toBe(true);
  expect(isWellFormed(memberOf("a", changes))).toBe(false);
});
