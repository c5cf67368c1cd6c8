import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hlcFromMs } from "../clock.ts";
import { covers } from "../context.ts";
import { holds, type KeyRecord, mergeRecords, type Sibling, type Siblings } from "../record.ts";
import { compareVersions, type Version } from "../version.ts";
import { type Admission, admit, admitMail, dropRefused, type Standing } from "./admission.ts";

const FLOOR = 100;
const complete: Standing = { floor: FLOOR, complete: true };
const incomplete: Standing = { floor: FLOOR, complete: false };
const otherFloor: Standing = { floor: FLOOR - 1, complete: true };

const NO_GHOST = { quarantined: [], alarming: [], disturbing: false };

const liveValue = (version: Version, expiresAtMs: number | null = null): Sibling => ({
  kind: "value",
  version,
  bytes: new Uint8Array(),
  contentType: "",
  expiresAtMs,
});
const v = (time: number, node = "a"): Version => ({ time, node: `${node}~0000000000` });
const record = (versions: readonly [Version, ...Version[]], covered: readonly Version[] = []): KeyRecord => {
  const context = new Map<string, number>();
  for (const { node, time } of [...versions, ...covered]) {
    context.set(node, Math.max(time, context.get(node) ?? 0));
  }
  const [first, ...rest] = [...versions]
    .sort((x, y) => compareVersions(y, x))
    .map((version) => liveValue(version));
  if (first === undefined) throw new Error("a record has a sibling");
  const siblings: Siblings = [first, ...rest];
  return { context, siblings };
};
/** As {@link admit} where it decides. */
function admitted(...of: Parameters<typeof admit>): Admission {
  const admission = admit(...of);
  if (admission === undefined) throw new Error("nothing was decided");
  return admission;
}
const versions = (of: KeyRecord | undefined) => of?.siblings.map((sibling) => sibling.version);

describe("a complete replica", () => {
  test("keeps out what it neither holds nor covers at or below its floor", () => {
    const admission = admitted(undefined, record([v(FLOOR)]), complete, incomplete);
    expect(admission.record).toBeUndefined();
    expect(admission.quarantined.map((ghost) => ghost.version)).toEqual([v(FLOOR)]);
    expect(admission.alarming).toEqual([]);
  });

  test("merges what lies above its floor", () => {
    const offered = record([v(FLOOR + 1)]);
    expect(admitted(undefined, offered, complete, incomplete)).toEqual({
      record: offered,
      ...NO_GHOST,
    });
  });

  test("merges what it holds or covers already, however old", () => {
    const held = record([v(FLOOR + 9)], [v(50, "b")]);
    expect(admitted(held, record([v(50, "b")]), complete, incomplete)).toEqual({
      record: held,
      ...NO_GHOST,
    });
    const old = record([v(3)]);
    expect(admitted(old, old, complete, incomplete).record).toBe(old);
  });

  test("takes the rest of a record that brings a ghost, and its context but for the ghost itself", () => {
    const offered = record([v(FLOOR + 5, "b"), v(40)], [v(30, "c")]);
    const admission = admitted(undefined, offered, complete, incomplete);
    expect(versions(admission.record)).toEqual([v(FLOOR + 5, "b")]);
    expect(admission.record?.context).toEqual(new Map([...offered.context, [v(40).node, 39]]));
    expect(admission.quarantined.map((ghost) => ghost.version)).toEqual([v(40)]);
  });

  test("removes a ghost from nobody who holds it, as it may be what this one alone has lost", () => {
    const offered = record([v(FLOOR + 6, "c"), v(40)]);
    const { record: left } = admitted(undefined, offered, complete, incomplete);
    if (left === undefined) throw new Error("nothing is left");
    expect(versions(mergeRecords(offered, left))).toEqual(versions(offered));
    expect(admitted(left, offered, complete, complete).alarming).toHaveLength(1);
    expect(admitted(left, offered, complete, incomplete).quarantined).toHaveLength(1);
  });

  test("covers a ghost with which comes a later version of its node, and counts it once", () => {
    const held = record([v(FLOOR + 5, "b")]);
    const offered = record([v(40), v(FLOOR + 6, "c")], [v(41)]);
    const { record: merged } = admitted(held, offered, complete, incomplete);
    expect(versions(merged)).toEqual([v(FLOOR + 6, "c"), v(FLOOR + 5, "b")]);
    expect(merged?.context.get(v(40).node)).toBe(41);
    expect(admitted(merged, offered, complete, incomplete).quarantined).toEqual([]);
  });

  test("keeps what only a ghost has superseded, as all have it whom the ghost never reached", () => {
    const held = record([v(30, "b"), v(FLOOR + 2, "c")]);
    const offered = record([v(40)], [v(30, "b")]);
    expect(admitted(held, offered, complete, incomplete)).toMatchObject({
      record: held,
      quarantined: offered.siblings,
    });
    const deletion: Sibling = { kind: "tombstone", version: v(39, "d") };
    const withDeletion: KeyRecord = {
      context: mergeRecords(offered, record([v(39, "d")])).context,
      siblings: [...offered.siblings, deletion],
    };
    expect(admitted(held, withDeletion, complete, incomplete).record).toBe(held);
  });

  test("gives up what a ghost has superseded where another sibling comes with it", () => {
    const held = record([v(30, "b"), v(FLOOR + 2, "c")]);
    const offered = record([v(40), v(FLOOR + 3, "d")], [v(30, "b")]);
    expect(versions(admitted(held, offered, complete, incomplete).record)).toEqual([
      v(FLOOR + 3, "d"),
      v(FLOOR + 2, "c"),
    ]);
  });

  test("does not bring back a superseded sibling that comes along with the ghost of its own", () => {
    // The ghost supersedes what is held; what is held has superseded the ghost's neighbour.
    const held = record([v(60, "b")], [v(20, "c")]);
    const offered = record([v(40), v(20, "c")], [v(60, "b")]);
    expect(admitted(held, offered, complete, incomplete).record).toBeUndefined();
  });

  test("takes it with an alarm when the sender is complete at the same floor", () => {
    const admission = admitted(undefined, record([v(40)]), complete, complete);
    expect(versions(admission.record)).toEqual([v(40)]);
    expect(admission.alarming.map((sibling) => sibling.version)).toEqual([v(40)]);
    expect(admission.quarantined).toEqual([]);
  });

  test("decides nothing when the sender stands at another floor, unless there is nothing to decide", () => {
    for (const isComplete of [true, false]) {
      const sender: Standing = { floor: FLOOR - 1, complete: isComplete };
      expect(admit(undefined, record([v(40)]), complete, sender)).toBeUndefined();
      expect(admit(undefined, record([v(FLOOR + 1)]), complete, sender)).toMatchObject(NO_GHOST);
    }
  });

  test("decides nothing about what only the sender's floor has reached, and does not know", () => {
    const between = record([v(FLOOR + 1)]);
    for (const isComplete of [true, false]) {
      const sender: Standing = { floor: FLOOR + 1, complete: isComplete };
      expect(admit(undefined, between, complete, sender)).toBeUndefined();
      expect(admit(record([v(FLOOR + 2)]), between, complete, sender)).toMatchObject(NO_GHOST);
      expect(admit(undefined, between, incomplete, sender)).toMatchObject({ record: between });
    }
  });

  test("takes no deletion and no expired value for a ghost, and does not keep what may go", () => {
    const expired = liveValue(v(40), 0);
    for (const sibling of [expired, { kind: "tombstone" as const, version: v(40) }]) {
      const offered: KeyRecord = { context: new Map([[v(40).node, 40]]), siblings: [sibling] };
      expect(admit(undefined, offered, complete, incomplete)).toEqual({ record: undefined, ...NO_GHOST });
      expect(admit(record([v(40)]), offered, incomplete, complete)?.record).toBeDefined();
      expect(admitMail(undefined, offered, FLOOR, FLOOR)).toBeUndefined();
    }
  });

  test("takes what expires at its very floor for expired, as a purge to it does", () => {
    const floor = hlcFromMs(5);
    const at: Standing = { floor, complete: true };
    const expiring = (expiresAtMs: number): KeyRecord => ({
      context: new Map([[v(40).node, 40]]),
      siblings: [liveValue(v(40), expiresAtMs)],
    });
    const sender: Standing = { floor, complete: false };
    expect(admit(undefined, expiring(5), at, sender)).toEqual({ record: undefined, ...NO_GHOST });
    expect(admitMail(undefined, expiring(5), floor, floor)).toBeUndefined();
    expect(admitted(undefined, expiring(6), at, sender).quarantined).toHaveLength(1);
  });

  test("keeps no deletion that may go at its very floor", () => {
    const deletion = (time: number): KeyRecord => ({
      context: new Map([[v(time).node, time]]),
      siblings: [{ kind: "tombstone", version: v(time) }],
    });
    for (const own of [complete, incomplete]) {
      expect(admitted(undefined, deletion(FLOOR), own, incomplete).record).toBeUndefined();
      expect(admitted(undefined, deletion(FLOOR + 1), own, incomplete).record).toBeDefined();
    }
    expect(admitMail(undefined, deletion(FLOOR), FLOOR, FLOOR)).toBeUndefined();
    expect(admitMail(undefined, deletion(FLOOR + 1), FLOOR, FLOOR)).toBeDefined();
  });
});

describe("an incomplete replica", () => {
  test("merges everything", () => {
    const held = record([v(30, "b")]);
    for (const sender of [complete, incomplete, otherFloor]) {
      expect(admitted(held, record([v(40)]), incomplete, sender)).toEqual({
        record: mergeRecords(held, record([v(40)])),
        ...NO_GHOST,
        disturbing: sender !== complete,
      });
    }
    expect(admitted(held, record([v(FLOOR + 1)]), incomplete, incomplete).disturbing).toBe(false);
    // It stands above what an exchange at this floor proves anything about.
    const ahead: Standing = { floor: FLOOR + 1, complete: false };
    expect(admitted(held, record([v(FLOOR + 1)]), incomplete, ahead).disturbing).toBe(false);
  });

  test("drops what a complete peer refused, and covers what lies below it", () => {
    const held = record([v(40), v(FLOOR + 1, "b")]);
    const left = dropRefused(held, [v(40)], FLOOR);
    expect(versions(left)).toEqual([v(FLOOR + 1, "b")]);
    expect([v(39), v(40)].map((version) => left && covers(left.context, version))).toEqual([true, false]);
    expect(dropRefused(record([v(40)]), [v(40)], FLOOR)).toBeUndefined();
  });

  test("covers what it has dropped where it holds or covers a later version of the same node", () => {
    for (const held of [record([v(FLOOR + 1), v(40)]), record([v(FLOOR + 1, "b"), v(40)], [v(60)])])
      expect(dropRefused(held, [v(40)], FLOOR)?.context).toEqual(held.context);
  });

  test("drops nothing that it does not hold, and nothing above its floor", () => {
    const held = record([v(FLOOR + 1), v(40, "b")]);
    expect(dropRefused(held, [v(41), v(FLOOR + 1)], FLOOR)).toBe(held);
    expect(dropRefused(record([v(FLOOR)]), [v(FLOOR)], FLOOR)).toBeUndefined();
  });
});

describe("mail", () => {
  test("is merged unless it brings something live at or below the floor that is not known", () => {
    const fresh = record([v(FLOOR + 1)], [v(20, "b")]);
    expect(admitMail(undefined, fresh, FLOOR, FLOOR)).toBe(fresh);
    expect(admitMail(undefined, record([v(FLOOR + 1), v(20, "b")]), FLOOR, FLOOR)).toBeUndefined();
    const held = record([v(30, "b")]);
    expect(admitMail(held, record([v(40)]), FLOOR, FLOOR)).toBe(held);
    expect(versions(admitMail(held, record([v(FLOOR + 1), v(20, "b")]), FLOOR, FLOOR))).toEqual([
      v(FLOOR + 1),
      v(30, "b"),
    ]);
  });

  test("leaves what is held where only what may go would be left of it", () => {
    const held = record([v(30, "b")]);
    const deletion: KeyRecord = {
      context: new Map([
        [v(40).node, 40],
        [v(30, "b").node, 30],
      ]),
      siblings: [{ kind: "tombstone", version: v(40) }],
    };
    expect(admitMail(held, deletion, FLOOR, FLOOR)).toBe(held);
    expect(admitted(held, deletion, incomplete, complete).record).toBeUndefined();
  });

  test("is no news where the sender's floor has reached it, though the own has not", () => {
    const between = record([v(FLOOR + 1)]);
    expect(admitMail(undefined, between, FLOOR, FLOOR + 1)).toBeUndefined();
    const held = record([v(FLOOR + 2)]);
    expect(admitMail(held, between, FLOOR, FLOOR + 1)).toBe(held);
    expect(admitMail(undefined, record([v(FLOOR + 2)]), FLOOR, FLOOR + 1)).toBeDefined();
  });
});

test("the rule holds for any two records and standings", () => {
  const version = fc.record({
    time: fc.integer({ min: FLOOR - 3, max: FLOOR + 3 }),
    node: fc.constantFrom("a~0000000000", "b~0000000000", "c~0000000000"),
  });
  const unlike = { selector: ({ time, node }: Version) => `${time}${node}` };
  const some = fc
    .tuple(
      fc.uniqueArray(version, { ...unlike, minLength: 1, maxLength: 3 }),
      fc.array(version, { maxLength: 3 }),
    )
    .map(([[first, ...rest], covered]) => record([first ?? v(1), ...rest], covered));
  const ahead: Standing = { floor: FLOOR + 1, complete: true };
  const standing = fc.constantFrom(complete, incomplete, otherFloor, ahead);
  fc.assert(
    fc.property(
      fc.option(some, { nil: undefined }),
      some,
      standing,
      standing,
      (held, offered, own, sender) => {
        const admission = admit(held, offered, own, sender);
        const reached = own.complete ? Math.max(own.floor, sender.floor) : own.floor;
        const unknown = offered.siblings.filter(
          ({ version: { time, node } }) => time <= reached && (held?.context.get(node) ?? -1) < time,
        );
        const isUndecided = own.complete && unknown.length > 0 && sender.floor !== own.floor;
        expect(admission === undefined).toBe(isUndecided);
        if (admission === undefined) return;
        const { record: after, quarantined, alarming } = admission;
        expect(quarantined).toEqual(own.complete && !sender.complete ? unknown : []);
        expect(alarming).toEqual(own.complete && sender.complete ? unknown : []);
        for (const ghost of quarantined)
          expect(after !== undefined && holds(after, ghost.version)).toBe(false);
        if (after === undefined) {
          expect(quarantined.length).toBeGreaterThan(0);
          return;
        }
        if (quarantined.length === offered.siblings.length) {
          expect(after).toBe(held);
          return;
        }
        if (quarantined.length === 0) {
          expect(after).toEqual(held === undefined ? offered : mergeRecords(held, offered));
        }
        const isGhost = (time: number, node: string): boolean =>
          quarantined.some(({ version }) => version.time === time && version.node === node);
        for (const of of [held, offered]) {
          for (const [node, time] of of?.context ?? []) {
            let least = time;
            while (of === offered && isGhost(least, node)) least -= 1;
            expect(after.context.get(node)).toBeGreaterThanOrEqual(least);
          }
        }
      },
    ),
    { numRuns: 1000 },
  );
});
