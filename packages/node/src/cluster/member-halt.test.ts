/** A run that is over, and the next one on the same store: what is still on its way in the first changes nothing any more. */
import { decodeUtf8, hlcFromMs, type PeerReply } from "@hearsay/core";
import { expect, test } from "vitest";
import { FLOOR, ghost } from "../exchange/dialogue.contract.ts";
import {
  FRIEND,
  introduce,
  LIMITS,
  type Running,
  STRANGER,
  standing,
  start,
} from "./lone-member.contract.ts";
import { rest } from "./manual-timers.contract.ts";

const LATER = FLOOR + hlcFromMs(5000);

function stored({ replica }: Running): string {
  return decodeUtf8(replica.store.committed.meta.get("completeness") ?? new Uint8Array()) ?? "";
}

/** Calls back to let go on what waits for it. */
function gate(): { readonly passed: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

test("a purge that waits for another one stores no floor of the run that is over", async () => {
  const alone = await start();
  const { passed, open } = gate();
  const { graveyard } = alone.replica;
  graveyard.purge = async () => {
    await passed;
    return { purged: 0, more: false };
  };
  const purges = [alone.member.keeper.purge()];
  await rest();
  alone.member.keeper.adoptWatermark(LATER);
  purges.push(alone.member.keeper.purge());
  alone.member.halt();
  const next = await start(alone.replica.store, [FRIEND.address], { incarnation: "newcomer" });
  await next.member.keeper.letIn([FRIEND.address], null);
  open();
  await Promise.allSettled(purges);
  expect(stored(next)).toContain(`"letInAt":["${FRIEND.address}"]`);
});

test("a purge that is under way goes no further", async () => {
  const { member, replica } = await start();
  let steps = 0;
  replica.graveyard.purge = async () => {
    steps += 1;
    if (steps === 3) member.halt();
    return { purged: 1, more: true };
  };
  await member.keeper.purge();
  expect(steps).toBe(3);
});

test("who is let in elsewhere by the next run notes nothing of where the first one was to be", async () => {
  const first = await start(undefined, [STRANGER.address]);
  const { passed, open } = gate();
  first.answer = async (message) => {
    if (message.kind !== "hello") throw new Error(message.kind);
    await passed;
    const welcome = { kind: "welcome", limits: LIMITS, time: FLOOR, floor: 0, watermark: 0 } as const;
    return { ...welcome, recorded: false, newcomer: false, related: false, by: null };
  };
  await first.timers.advance(0);
  first.member.halt();
  const next = await start(first.replica.store, [FRIEND.address], { incarnation: "newcomer" });
  await next.member.keeper.letIn([FRIEND.address], null);
  open();
  await rest();
  expect(stored(next)).toContain(`"letInAt":["${FRIEND.address}"]`);
});

test("nothing is merged that was asked for by a run that is over", async () => {
  const it = await start();
  await introduce(it, FRIEND);
  const keyed = { key: "k", record: ghost(FLOOR - 5) };
  const rumor = {
    key: "k",
    versions: [],
    sizeBytes: 10,
    hops: 1,
    mailed: true,
    inline: true,
    record: keyed.record,
  };
  const answers: Partial<Record<string, PeerReply>> = {
    fetch: { kind: "fetched", standing, record: keyed.record },
    rumors: { kind: "rumors-reply", standing, turn: 1, answers: [], rumors: [rumor], updates: [] },
  };
  const { passed, open } = gate();
  it.answer = async (message) => {
    await passed;
    const reply = answers[message.kind];
    if (reply === undefined) throw new Error(message.kind);
    return reply;
  };
  const fetched = it.member.fetch(FRIEND, "k", 1000);
  await it.replica.write("other", "v");
  it.member.spread("other", 0);
  await it.timers.advance(100);
  expect(it.sent.map(({ message }) => message.kind)).toContain("rumors");
  it.member.halt();
  open();
  await expect(fetched).rejects.toMatchObject({ reason: { code: "busy" } });
  await rest();
  expect(it.replica.store.get("k")).toBeUndefined();
});

test("a member that stops has stored what it knew last", async () => {
  const it = await start();
  await it.member.membership.saved();
  it.member.keeper.adoptWatermark(LATER);
  await it.member.stop();
  expect(stored(it)).toContain(`"watermark":${LATER}`);
});
