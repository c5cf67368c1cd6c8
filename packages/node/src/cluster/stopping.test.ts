/** On whose word a member may be stopped, and a write counts as held everywhere. */
import { encodeUtf8, type HlcTime, type PeerReply } from "@hearsay/core";
import { beforeEach, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { FRIEND, introduce, type Running, STRANGER, standing, start } from "./lone-member.contract.ts";
import { receiptOf } from "./receipt.ts";
import { hasConfirmed } from "./status.ts";
import { obstaclesToStopping } from "./stopping.ts";

let it: Running;
let last: HlcTime;

/** A friend is there, and knows nothing of what was written here. */
beforeEach(async () => {
  it = await start();
  await introduce(it, FRIEND);
  const written = it.replica.node.write(
    "k",
    { kind: "value", bytes: encodeUtf8("v"), contentType: "", ttlMs: null },
    undefined,
  );
  if ("code" in written) throw new Error(written.code);
  await written.committed;
  last = written.version.time;
});

const obstacles = (): string[] => obstaclesToStopping(it.member).map(({ code }) => code);

function friendSays(completeThrough: HlcTime, tableHash: string): void {
  it.member.keeper.absorb(FRIEND.id, {
    sequence: completeThrough,
    completeThrough,
    tableHash,
    settledAt: 0,
    complete: true,
  });
}

async function exchanged(staying: boolean): Promise<void> {
  const equal: PeerReply = {
    kind: "exchange-equal",
    standing,
    offer: { time: 1, vector: new Map() },
    staying,
    wallMs: null,
  };
  it.answer = ({ kind }) => {
    if (kind !== "exchange-start") throw new PeerFault({ code: "unreachable" });
    return equal;
  };
  await it.member.exchange(FRIEND);
}

test("an exchange with one that stays shows that a node may be stopped, and one with one that leaves does not", async () => {
  expect(obstacles()).toEqual(["writes_unconfirmed"]);
  await exchanged(false);
  expect(obstacles()).toEqual(["writes_unconfirmed"]);
  await exchanged(true);
  expect(obstacles()).toEqual([]);
});

test("who is not alive keeps nothing available, whatever it holds", async () => {
  await exchanged(true);
  await introduce(it, { ...FRIEND, generation: FRIEND.generation + 1, state: "stopped" });
  expect(obstacles()).toEqual(["only_live_member"]);
});

test("what another says of itself counts under the table of here, and from the last write on", () => {
  const { tableHash } = it.member.membership.counted();
  friendSays(last, "f".repeat(16));
  expect(obstacles()).toEqual(["writes_unconfirmed"]);
  friendSays(last - 1, tableHash);
  expect(obstacles()).toEqual(["writes_unconfirmed"]);
  friendSays(last + 1, tableHash);
  expect(obstacles()).toEqual([]);
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
