/** What comes in between while a member starts: a halt, as in doubt, and word that it was given up by the others. */
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import { FRIEND, introduce, type Running, STRANGER, start } from "./lone-member.contract.ts";
import { rest } from "./manual-timers.contract.ts";
import type { ClusterMember } from "./member.ts";

const PING = { kind: "ping", from: FRIEND, to: "", updates: [] } as const;
const HOUR_MS = 3_600_000;

/** One that was a member among others before. */
async function again(beforeItStarts: (member: ClusterMember) => void): Promise<Running> {
  const store = new MemoryStore();
  const first = await start(store);
  await introduce(first, FRIEND);
  await first.member.membership.saved();
  first.member.halt();
  const second = await start(store, [FRIEND.address], {}, beforeItStarts);
  await rest();
  return second;
}

/** Calls back in the middle of a step, and once it is done. */
function inTheMiddleOf<Name extends string>(
  part: Record<Name, () => Promise<void>>,
  name: Name,
  callBack: () => void,
): void {
  const step = part[name].bind(part);
  part[name] = async () => {
    const done = step();
    await Promise.resolve();
    callBack();
    await done;
  };
}

describe("a member that is halted while it starts", () => {
  test.each<[string, (member: ClusterMember) => void]>([
    ["has yet to begin", (member) => member.halt()],
    [
      "settles what an earlier run left",
      (member) => inTheMiddleOf(member.keeper, "start", () => member.halt()),
    ],
    [
      "looks for the others of before",
      (member) => {
        member.membership.join = () => member.halt();
      },
    ],
  ])("takes no part and begins nothing, as it %s", async (_, halts) => {
    const it = await again(halts);
    await expect(it.member.serve(FRIEND.id, PING)).rejects.toMatchObject({ reason: { code: "busy" } });
    expect(it.timers.armed).toBe(0);
  });

  test("settles and stores nothing where it was halted before", async () => {
    const { replica } = await start(new MemoryStore(), [FRIEND.address], {}, (member) => member.halt());
    expect(replica.store.batches.filter(({ meta }) => meta.has("completeness"))).toEqual([]);
  });

  test("asks nobody to let it in", async () => {
    const it = await start(new MemoryStore(), [FRIEND.address], {}, (member) => {
      inTheMiddleOf(member.keeper, "start", () => member.halt());
    });
    expect(it.timers.armed).toBe(0);
    await it.timers.advance(HOUR_MS);
    expect(it.sent).toEqual([]);
  });
});

test("a member that is told while it starts that it is retired exchanges and publishes nothing", async () => {
  const it = await again((member) => {
    const { join } = member.membership;
    member.membership.join = (seeds) => {
      join.call(member.membership, seeds);
      const [from, retired] = [FRIEND, [member.id]];
      const state = { from, to: "", members: [from], retired, belongs: true, boundTo: [] } as const;
      member.serve(FRIEND.id, { kind: "push-pull", ...state }).catch(() => undefined);
    };
  });
  it.answer = () => {
    throw new PeerFault({ code: "retired" });
  };
  expect([it.retired, it.member.notWritable()]).toEqual([true, { code: "retired" }]);
  const before = it.member.states.of(it.member.id);
  await it.timers.advance(HOUR_MS);
  expect(it.sent.filter(({ message }) => message.kind.startsWith("exchange"))).toEqual([]);
  expect([it.member.states.of(it.member.id), it.log.of("exchange_failed")]).toEqual([before, []]);
});

test.each([
  [{ code: "refused", reason: "retired" }, true],
  [{ code: "refused", reason: "other_cluster" }, false],
] as const)(
  "one that was given up before it was let in learns so from whom it asks: %j",
  async (reason, ends) => {
    const it = await start(new MemoryStore(), [FRIEND.address], {}, () => undefined);
    it.answer = async () => {
      throw new PeerFault(reason);
    };
    await it.timers.advance(HOUR_MS / 60);
    expect([it.retired, it.log.of("join_failed").at(-1)]).toMatchObject([ends, { code: reason.reason }]);
  },
);

test("a member that was alone, and is to join, is not found by others: they have not looked at what it brings", async () => {
  const store = new MemoryStore();
  const alone = await start(store);
  await alone.member.keeper.save();
  alone.member.halt();
  const it = await start(store, [STRANGER.address]);
  const found = {
    kind: "push-pull",
    from: FRIEND,
    to: "",
    members: [FRIEND],
    retired: [],
    belongs: true,
    boundTo: [],
  } as const;
  await expect(it.member.serve(FRIEND.id, found)).rejects.toMatchObject({ reason: { code: "busy" } });
  expect([it.member.keeper.isOutside, it.member.size]).toEqual([true, 1]);
});
