/** Replicas that are slow, as on a machine whose processor others have: reading a bucket takes them a while. */
import type { ExchangeRequest } from "@hearsay/core";
import { describe, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { ExchangeAnswerer } from "./answer.ts";
import type { AskPeer } from "./ask.ts";
import { exchange, knows, pair } from "./dialogue.contract.ts";
import type { MemoryReplica } from "./memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "./session.ts";

const KEYS = 150;
const BUCKET_MS = 300;
const { requestTimeoutMs, stepMs } = EXCHANGE_LIMITS;
/** Beside a step, what is being read when it is over. */
const OVERRUN_MS = 20 * BUCKET_MS;

interface Met {
  readonly a: MemoryReplica;
  readonly b: MemoryReplica;
  readonly ask: AskPeer;
  readonly nowMs: () => number;
  readonly requests: ExchangeRequest[];
  /** The longest that an answer took, and that the other side took to come back after one. */
  readonly longest: { answerMs: number; pauseMs: number };
}

/** The first holds some hundred keys in as many buckets, the second none; a request ends when its time is over, as over HTTP. */
async function met(slow: "asking" | "answering"): Promise<Met> {
  const [a, b] = await pair(4096);
  for (let i = 0; i < KEYS; i++) await a.write(`key-${i}`, "v");
  const [asking, answering] = slow === "asking" ? [b, a] : [a, b];
  let nowMs = 0;
  let answeredMs = 0;
  const slowSide = b.digests;
  const listBucket = slowSide.listBucket.bind(slowSide);
  slowSide.listBucket = async (bucket) => {
    nowMs += BUCKET_MS;
    return await listBucket(bucket);
  };
  const answerer = new ExchangeAnswerer(answering.replica, EXCHANGE_LIMITS, () => nowMs);
  const requests: ExchangeRequest[] = [];
  const longest = { answerMs: 0, pauseMs: 0 };
  const ask: AskPeer = async (request) => {
    const askedMs = nowMs;
    requests.push(request);
    if (request.kind !== "exchange-start") longest.pauseMs = Math.max(longest.pauseMs, askedMs - answeredMs);
    const reply = await answerer.answer(asking.id, request);
    longest.answerMs = Math.max(longest.answerMs, nowMs - askedMs);
    if (nowMs - askedMs > requestTimeoutMs) throw new PeerFault({ code: "timeout" });
    answeredMs = nowMs;
    return reply;
  };
  return { a: asking, b: answering, ask, nowMs: () => nowMs, requests, longest };
}

describe("an empty replica that takes far longer to read all buckets than a request may", () => {
  test("answers a few at a time, and so an exchange comes to its end", async () => {
    const { a, b, ask, nowMs, longest, requests } = await met("answering");
    expect(await exchange(a, b.id, ask, EXCHANGE_LIMITS, nowMs)).toMatchObject({ concluded: true });
    expect(b.contents()).toEqual(a.contents());
    expect(knows(b, a)).toBeGreaterThan(0);
    expect(longest.answerMs).toBeLessThan(stepMs + OVERRUN_MS);
    const sizes = requests.flatMap((request) =>
      request.kind === "exchange-compare" ? [request.compare.nodes.length] : [],
    );
    // All that differ once; then about as many as are answered.
    for (const size of sizes.slice(2)) expect(size).toBeLessThanOrEqual((4 * stepMs) / BUCKET_MS);
    expect(sizes.length).toBeGreaterThan(10);
  });

  test("asks for records while it still compares, and so its session is not forgotten", async () => {
    const { a, b, ask, nowMs, longest } = await met("asking");
    expect(await exchange(a, b.id, ask, EXCHANGE_LIMITS, nowMs)).toMatchObject({ concluded: true });
    expect(a.contents()).toEqual(b.contents());
    expect(longest.pauseMs).toBeLessThan(stepMs + OVERRUN_MS);
  });

  test.each(["asking", "answering"] as const)(
    "holds it all after some exchanges that have all broken off, %s",
    async (slow) => {
      const { a, b, ask, nowMs } = await met(slow);
      const held: number[] = [];
      while (!(await a.hasRootOf(b))) {
        let left = 8;
        const broken: AskPeer = async (request) => {
          left -= 1;
          if (left < 0) throw new PeerFault({ code: "unreachable" });
          return await ask(request);
        };
        await exchange(a, b.id, broken, EXCHANGE_LIMITS, nowMs).catch(() => undefined);
        const empty = slow === "asking" ? a : b;
        expect(empty.contents().size).toBeGreaterThan(held.at(-1) ?? 0);
        held.push(empty.contents().size);
      }
      expect(held.length).toBeGreaterThan(2);
    },
  );
});
