import type { ConvergenceReport, Readiness } from "@hearsay/api";
import { Client } from "@hearsay/client";
import { describe, expect, it, vi } from "vitest";
import {
  ANSWER_GRACE_MS,
  describeCatchingUp,
  describeConvergence,
  untilCaughtUp,
  untilConverged,
  untilEverywhere,
} from "./convergence.ts";

const facts = { watermark: null, watermarkAgeMs: null, heldBackBy: [], newsAgeMs: 0 };
const n2 = { id: "n2~0123456789", name: "n2", state: "alive" } as const;
const converged: ConvergenceReport = { verdict: "converged", ...facts };
const converging: ConvergenceReport = {
  verdict: "converging",
  keys: 7,
  differing: [{ ...n2, keys: 7 }],
  ...facts,
};
const partitioned: ConvergenceReport = {
  verdict: "partitioned",
  sides: { reachable: [], unreachable: [{ ...n2, state: "dead" }] },
  ...facts,
};

/** A client that is answered in turn, the last answer again and again. */
function answering(...answers: readonly ((url: string) => Response)[]): Client {
  let asked = 0;
  return new Client({
    retry: { rounds: 1 },
    platform: {
      fetch: async (url) => {
        const answer = answers[Math.min(asked++, answers.length - 1)];
        return answer === undefined ? new Response(null, { status: 500 }) : answer(url);
      },
    },
  });
}

function says(report: ConvergenceReport): () => Response {
  return () => Response.json(report);
}

function starting(): Response {
  const problem = { status: 503, code: "not_ready", title: "t", next: "n" };
  return Response.json(problem, { status: 503 });
}

const { signal } = new AbortController();

describe("waiting for convergence", () => {
  it("goes on while members differ or the node starts, and tells what it hears", async () => {
    const heard: string[] = [];
    const client = answering(starting, says(partitioned), says(converging), says(converged));
    const onReport = ({ verdict }: ConvergenceReport): void => void heard.push(verdict);
    expect(await untilConverged(client, { signal, timeoutMs: 60_000, onReport })).toEqual(converged);
    expect(heard).toEqual(["partitioned", "converging", "converged"]);
  });

  it("ends with the last word when the time is over", async () => {
    expect(await untilConverged(answering(says(converging)), { signal, timeoutMs: 0 })).toEqual(converging);
  });

  it("ends when the time is over also with a node that starts for ever, or that says nothing", async () => {
    expect(await untilConverged(answering(starting), { signal, timeoutMs: 0 })).toBeUndefined();
    vi.useFakeTimers();
    const silent = new Client({
      platform: {
        fetch: (_, init) =>
          new Promise((_resolve, reject) => {
            init.signal.addEventListener("abort", () => reject(init.signal.reason));
          }),
      },
    });
    const said = untilConverged(silent, { signal, timeoutMs: 5_000 });
    await vi.advanceTimersByTimeAsync(5_000 + ANSWER_GRACE_MS);
    vi.useRealTimers();
    expect(await said).toBeUndefined();
  });

  it("for a write goes on while the node starts, asks for the time that is left, and ends without a word of it", async () => {
    const receipt = { key: "k", version: "v", everywhere: true, holders: [], lacking: [], unknown: [] };
    const asked: string[] = [];
    const wait = { signal, timeoutMs: 60_000 };
    const receipts = answering(starting, (url) => {
      asked.push(url);
      return Response.json({ complete: true, watermark: null, ...receipt });
    });
    expect(await untilEverywhere(receipts, receipt, wait)).toMatchObject(receipt);
    expect(Number(/timeout=(\d+)ms/.exec(asked[0] ?? "")?.[1])).toBeGreaterThan(50_000);
    expect(await untilEverywhere(answering(starting), receipt, { signal, timeoutMs: 0 })).toBeUndefined();
  });

  it("ends with the reason of its signal", async () => {
    const stop = new AbortController();
    const wait = untilConverged(answering(says(converging)), {
      signal: stop.signal,
      timeoutMs: 60_000,
      onReport: () => stop.abort(new Error("enough")),
    });
    await expect(wait).rejects.toThrow("enough");
  });
});

describe("waiting until a node has caught up", () => {
  const check = (name: string, ok: boolean): NonNullable<Readiness["checks"]>[number] => ({
    name,
    ok,
    detail: ok ? "fine" : "not yet",
  });
  const opening: Readiness = { ready: false, checks: [check("recovering", false)] };
  const bare: Readiness = { ready: true, checks: [check("store", true)] };
  const joining: Readiness = { ready: true, checks: [check("joining", false), check("complete", false)] };
  const incomplete: Readiness = { ready: true, checks: [check("joining", true), check("complete", false)] };
  const whole: Readiness = { ready: true, checks: [check("joining", true), check("complete", true)] };
  const retired: Readiness = { ready: false, checks: [check("retired", false), ...(whole.checks ?? [])] };
  const told = (readiness: Readiness) => (): Response =>
    Response.json(readiness, { status: readiness.ready ? 200 : 503 });

  it("goes on while it starts, joins or lacks something, though it is ready", async () => {
    const client = answering(...[opening, bare, joining, incomplete, whole].map(told));
    expect(await untilCaughtUp(client, { signal, timeoutMs: 60_000 })).toEqual(whole);
  });

  it("ends with the last word when the time is over, and says in words what is open", async () => {
    for (const [last, words] of [
      [opening, "it is not ready"],
      [joining, "joining: not yet; complete: not yet"],
      [incomplete, "complete: not yet"],
      [retired, "retired: not yet"],
    ] as const) {
      expect(await untilCaughtUp(answering(told(last)), { signal, timeoutMs: 0 })).toEqual(last);
      expect(describeCatchingUp(last)).toBe(words);
    }
  });
});

describe("a verdict", () => {
  it("is told in words", () => {
    expect(describeConvergence(converged)).toBe("all members hold the same");
    expect(describeConvergence(converging)).toBe("n2 differs in about 7 keys");
    expect(describeConvergence({ ...converging, keys: 0 })).toBe("n2 differs");
    expect(describeConvergence({ ...converging, differing: [] })).toBe("this node is still joining");
    expect(describeConvergence(partitioned)).toBe("cut off: n2 (dead)");
  });
});
