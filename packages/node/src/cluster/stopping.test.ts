/** On whose word a member may be stopped, and a write counts as held everywhere. */
import {
  ANTI_ENTROPY_DEFAULTS,
  encodeUtf8,
  type HlcTime,
  type KeyRecord,
  type NodeId,
  type Peer,
  type PeerReply,
} from "@hearsay/core";
import { beforeEach, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { SEARCH_TIMEOUT_MS } from "./handing-over.ts";
import {
  FRIEND,
  introduce,
  type Running,
  rumors,
  STRANGER,
  standing,
  start,
} from "./lone-member.contract.ts";
import { receiptOf } from "./receipt.ts";
import { hasConfirmed } from "./status.ts";
import { obstaclesToStopping } from "./stopping.ts";

let it: Running;
let last: HlcTime;

/** A friend is there, and knows nothing of what was written here. */
beforeEach(async () => {
  it = await start(undefined, [], { antiEntropy: { ...ANTI_ENTROPY_DEFAULTS, intervalMs: 60_000 } });
  await introduce(it, FRIEND);
  last = await write("k");
});

const obstacles = async (): Promise<string[]> =>
  (await obstaclesToStopping(it.member)).map(({ code }) => code);

function friendSays(completeThrough: HlcTime, tableHash: string): void {
  it.member.keeper.absorb(FRIEND.id, {
    sequence: completeThrough,
    completeThrough,
    tableHash,
    settledAt: 0,
    complete: true,
  });
}

const equal = (staying: boolean): PeerReply => ({
  kind: "exchange-equal",
  standing,
  offer: { time: 1, vector: new Map() },
  staying,
  wallMs: null,
});

/** What others answer to the start of an exchange; to nothing else. */
function answering(started: (to: Peer) => PeerReply | Promise<PeerReply>): void {
  it.answer = ({ kind }, to) => {
    if (kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
    return started(to);
  };
}

const exchanges = (peer?: NodeId): number =>
  it.sent.filter(
    ({ to, message }) => message.kind === "exchange-start" && (peer === undefined || to.id === peer),
  ).length;

async function write(key: string): Promise<HlcTime> {
  const content = { kind: "value", bytes: encodeUtf8("v"), contentType: "", ttlMs: null } as const;
  const written = it.replica.node.write(key, content, undefined);
  if ("code" in written) throw new Error(written.code);
  await written.committed;
  return written.version.time;
}

/** A record of its own that a member mails. */
async function mailed(from: NodeId): Promise<void> {
  const version = { time: last + 1, node: from };
  const record: KeyRecord = {
    context: new Map([[from, version.time]]),
    siblings: [{ kind: "value", version, bytes: encodeUtf8("m"), contentType: "", expiresAtMs: null }],
  };
  const facts = { versions: [version], sizeBytes: 10, hops: 1, mailed: true, inline: true };
  await it.member.serve(from, rumors({ rumors: [{ key: `of ${from}`, record, ...facts }] }));
}

const never = new Promise<PeerReply>(() => undefined);

test("an exchange with one that stays shows that a node may be stopped, and one with one that leaves does not", async () => {
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
  answering(() => equal(false));
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
  answering(() => equal(true));
  expect(await obstacles()).toEqual([]);
});

test("what was shown before the question does not count: another may have written to this node alone since, and be gone", async () => {
  answering(() => equal(true));
  await it.member.exchange(FRIEND);
  friendSays(last + 1, it.member.membership.counted().tableHash);
  await introduce(it, STRANGER);
  await mailed(STRANGER.id);
  it.answer = undefined;
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
});

test("who is not alive keeps nothing available, whatever it holds", async () => {
  answering(() => equal(true));
  await introduce(it, { ...FRIEND, generation: FRIEND.generation + 1, state: "stopped" });
  expect(await obstacles()).toEqual(["only_live_member"]);
  expect(exchanges()).toBe(0);
});

test("who dies while it is asked keeps nothing available either", async () => {
  answering(async () => {
    await introduce(it, { ...FRIEND, generation: FRIEND.generation + 1, state: "stopped" });
    return equal(true);
  });
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
});

test("a write of this node that came while the other was asked may be here alone", async () => {
  answering(async () => {
    await write("late");
    return equal(true);
  });
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
});

test("what others mail meanwhile is held by those who sent it, as long as they are there", async () => {
  await introduce(it, STRANGER);
  let isGone = false;
  answering(async ({ id }) => {
    if (id !== FRIEND.id) throw new PeerFault({ code: "unreachable" });
    await mailed(STRANGER.id);
    if (isGone) await introduce(it, { ...STRANGER, generation: STRANGER.generation + 1, state: "stopped" });
    return equal(true);
  });
  expect(await obstacles()).toEqual([]);
  isGone = true;
  expect(await obstacles()).toEqual(["writes_unconfirmed"]);
});

test("those who ask at one time are answered by one exchange, and all who ask meanwhile by another one", async () => {
  const later: Promise<string[]>[] = [];
  answering(() => {
    if (later.length === 0) later.push(obstacles(), obstacles());
    return equal(true);
  });
  expect(await Promise.all([obstacles(), obstacles(), obstacles()])).toEqual([[], [], []]);
  expect(await Promise.all(later)).toEqual([[], []]);
  expect(exchanges()).toBe(2);
});

test.each([FRIEND.id, STRANGER.id])(
  "one that does not answer keeps no answer back while another one does",
  async (silent) => {
    await introduce(it, STRANGER);
    answering(({ id }) => (id === silent ? never : equal(true)));
    expect(await obstacles()).toEqual([]);
    expect(await obstacles()).toEqual([]);
    expect(exchanges(silent)).toBe(1);
  },
);

test("who sends something when the search is over is no part of what it has found", async () => {
  await introduce(it, STRANGER);
  answering(() => equal(true));
  const found = await it.member.standIn();
  await mailed(STRANGER.id);
  expect(found?.senders).toEqual(new Set());
});

test("a mistake of this node's own is no answer", async () => {
  answering(() => {
    throw new Error("a mistake");
  });
  await expect(obstacles()).rejects.toThrow("a mistake");
});

test("one that is suspected is not asked, as its word would not count", async () => {
  await introduce(it, STRANGER);
  const member = { ...STRANGER, state: "suspect" as const };
  await it.member.serve(FRIEND.id, rumors({ updates: [{ kind: "member", member, accuser: FRIEND.id }] }));
  answering(() => equal(true));
  expect(await obstacles()).toEqual([]);
  expect([FRIEND.id, STRANGER.id].map(exchanges)).toEqual([1, 0]);
});

test("when nobody answers in time the answer is no, and nobody is asked twice at once", async () => {
  answering(() => never);
  const first = obstacles();
  await it.timers.advance(1);
  const second = obstacles();
  await it.timers.advance(SEARCH_TIMEOUT_MS);
  expect(await first).toEqual(["writes_unconfirmed"]);
  expect(await second).toEqual(["writes_unconfirmed"]);
  expect(exchanges()).toBe(1);
});

test("rumors are a reason only where nobody else holds what they tell", async () => {
  it.member.spread("k", 0);
  expect(await obstacles()).toEqual(["writes_unconfirmed", "rumors_pending"]);
  answering(() => equal(true));
  it.member.spread("k", 0);
  expect(await obstacles()).toEqual([]);
});

test("what another confirms says nothing of the writes of one who does not count", () => {
  friendSays(last, it.member.membership.counted().tableHash);
  const confirmed = [it.member.id, FRIEND.id, STRANGER.id].map((id) =>
    hasConfirmed(it.member, FRIEND.id, id, last),
  );
  expect(confirmed).toEqual([true, true, false]);
});

test("a write that a member says it lacks is not complete, wherever the watermark is", async () => {
  const version = { time: last, node: it.member.id };
  it.member.keeper.adoptWatermark(last);
  const says = (holds: boolean): void => {
    it.answer = () => ({ kind: "holds-reply", holds });
  };
  says(false);
  expect(await receiptOf(it.member, "k", version)).toMatchObject({ complete: false, everywhere: false });
  says(true);
  expect(await receiptOf(it.member, "k", version)).toMatchObject({ complete: true, everywhere: true });
});
