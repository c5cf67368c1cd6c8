/** Two replicas in memory, and exchanges between them whose every message can be looked at. */
import {
  type ExchangeReply,
  type ExchangeRequest,
  type HlcTime,
  hlcFromMs,
  type KeyRecord,
  type NodeId,
  type Sibling,
} from "@hearsay/core";
import { ExchangeAnswerer } from "./answer.ts";
import { type AskPeer, ExchangeAsker } from "./ask.ts";
import { MemoryReplica, meet, START_MS } from "./memory-replica.contract.ts";
import type { ExchangeOutcome } from "./outcome.ts";
import { EXCHANGE_LIMITS, type ExchangeLimits } from "./session.ts";

export async function pair(buckets = 64): Promise<[MemoryReplica, MemoryReplica]> {
  const a = await MemoryReplica.open({ name: "a", buckets });
  const b = await MemoryReplica.open({ name: "b", buckets });
  meet(a, b);
  return [a, b];
}

export interface Dialogue {
  readonly said: { readonly request: ExchangeRequest; readonly reply: ExchangeReply }[];
  readonly ask: AskPeer;
}

/** The time of a side for which none goes by. */
export const STANDS_STILL = (): number => 0;

export function dialogue(
  asking: MemoryReplica,
  answering: MemoryReplica,
  limits: ExchangeLimits,
  nowMs: () => number = STANDS_STILL,
): Dialogue {
  const answerer = new ExchangeAnswerer(answering.replica, limits, nowMs);
  const said: Dialogue["said"] = [];
  const ask: AskPeer = async (request) => {
    const reply = await answerer.answer(asking.id, request);
    said.push({ request, reply });
    return reply;
  };
  return { said, ask };
}

let session = 0;

export async function exchange(
  asking: MemoryReplica,
  peer: NodeId,
  ask: AskPeer,
  limits: ExchangeLimits = EXCHANGE_LIMITS,
  nowMs: () => number = STANDS_STILL,
): Promise<ExchangeOutcome | undefined> {
  session += 1;
  return await new ExchangeAsker(asking.replica, limits, {
    peer,
    session,
    ask,
    nowMs,
    onProgress: () => undefined,
  }).run();
}

export async function between(
  asking: MemoryReplica,
  answering: MemoryReplica,
  limits: ExchangeLimits = EXCHANGE_LIMITS,
): Promise<{ readonly outcome: ExchangeOutcome | undefined; readonly said: Dialogue["said"] }> {
  const { said, ask } = dialogue(asking, answering, limits);
  return { outcome: await exchange(asking, answering.id, ask, limits), said };
}

export function knows(replica: MemoryReplica, other: MemoryReplica): number {
  return replica.keeper.completeness.state.vector.get(other.id) ?? 0;
}

export const FLOOR: HlcTime = hlcFromMs(START_MS);
export const WRITER: NodeId = "w~0123456789";

/** A value that nobody else knows. */
export function ghost(time: number): KeyRecord {
  const version = { time, node: WRITER };
  const sibling: Sibling = {
    kind: "value",
    version,
    bytes: new Uint8Array(),
    contentType: "",
    expiresAtMs: null,
  };
  return { context: new Map([[WRITER, time]]), siblings: [sibling] };
}

/** b is complete at the floor; a is not, and holds an old value that b does not know. */
export async function unlikePair(): Promise<[MemoryReplica, MemoryReplica]> {
  const a = await MemoryReplica.open({ name: "a", company: "strangers" });
  const b = await MemoryReplica.open({ name: "b" });
  meet(a, b);
  await a.keeper.recordedByMajority();
  b.keeper.completeness.unit({ ids: [b.id], tableHash: "" }, FLOOR, FLOOR);
  for (const replica of [a, b]) await replica.keeper.settleFloor(FLOOR);
  await a.replica.merge([{ key: "k", record: ghost(FLOOR - 5) }], a.replica.standing())?.committed;
  return [a, b];
}
