import type { Effect, Peer, RequestFailure } from "@hearsay/core";
import { beforeEach, describe, expect, test } from "vitest";
import { PeerFault } from "../peer-fault.ts";
import { EffectDriver } from "./effect-driver.ts";
import { ManualTimers, rest } from "./manual-timers.contract.ts";

type TestEffect = Effect<string, string, string, string>;

const PEER: Peer = { id: "b~0123456789", address: "b:1" };

function request(id: number, message = "question"): TestEffect {
  return { kind: "request", id, to: PEER, message, timeoutMs: 1000 };
}

describe("a driver", () => {
  let timers: ManualTimers;
  let happened: unknown[];
  /** What the machine answers to anything that is fed back, once. */
  let next: readonly TestEffect[];
  let settle: { resolve(answer: string): void; reject(error: unknown): void }[];
  let driver: EffectDriver<string, string, string, string, string>;

  beforeEach(() => {
    timers = new ManualTimers();
    happened = [];
    next = [];
    settle = [];
    const note = (...what: unknown[]): readonly TestEffect[] => {
      happened.push(what);
      const effects = next;
      next = [];
      return effects;
    };
    driver = new EffectDriver<string, string, string, string, string>(
      {
        answered: (id, answer) => note("answered", id, answer),
        failed: (id: number, failure: RequestFailure) => note("failed", id, failure),
        timer: (timer) => note("timer", timer),
        event: (event) => void happened.push(["event", event]),
      },
      (to, message, timeoutMs) => {
        happened.push(["sent", to.address, message, timeoutMs]);
        return new Promise((resolve, reject) => settle.push({ resolve, reject }));
      },
      timers,
    );
  });

  test("feeds an answer back once, and performs what follows from it", async () => {
    driver.perform([request(1)]);
    next = [{ kind: "event", event: "done" }];
    settle[0]?.resolve("answer");
    settle[0]?.reject(new Error("too late"));
    await rest();
    expect(happened).toEqual([
      ["sent", "b:1", "question", 1000],
      ["answered", 1, "answer"],
      ["event", "done"],
    ]);
  });

  test.each<[unknown, RequestFailure]>([
    [new PeerFault({ code: "timeout" }), { kind: "timeout" }],
    [new PeerFault({ code: "unreachable" }), { kind: "unreachable" }],
    [new PeerFault({ code: "refused", reason: "not_ready" }), { kind: "unreachable" }],
    [new PeerFault({ code: "refused", reason: "retired" }), { kind: "refused", code: "retired" }],
    [new PeerFault({ code: "bad_message", what: "x" }), { kind: "refused", code: "bad_message" }],
    [new PeerFault({ code: "busy" }), { kind: "refused", code: "busy" }],
    [new Error("disk full"), { kind: "refused", code: "failed_here" }],
  ])("tells the machine of %s in its own terms", async (error, failure) => {
    driver.perform([request(7)]);
    settle[0]?.reject(error);
    await rest();
    expect(happened.slice(1)).toEqual([["failed", 7, failure]]);
  });

  test("fires a timer once, at its time", async () => {
    driver.perform([{ kind: "timer", timer: "tick", afterMs: 50 }]);
    await timers.advance(49);
    expect(happened).toEqual([]);
    await timers.advance(100);
    expect(happened).toEqual([["timer", "tick"]]);
    expect(timers.armed).toBe(0);
  });

  test("settles when the requests among the effects have been fed back, well or not", async () => {
    let settled = false;
    const all = driver.settled([request(1), request(2)]).then(() => {
      settled = true;
    });
    settle[0]?.resolve("a");
    await rest();
    expect(settled).toBe(false);
    settle[1]?.reject(new PeerFault({ code: "timeout" }));
    await all;
    expect(happened.slice(2)).toEqual([
      ["answered", 1, "a"],
      ["failed", 2, { kind: "timeout" }],
    ]);
  });

  test("answers a peer at once or later, each with its own reply", async () => {
    const tokens: number[] = [];
    const take = (token: number): readonly TestEffect[] => {
      tokens.push(token);
      return [];
    };
    const [first, second] = [driver.serve(take), driver.serve(take)];
    const [a = 0, b = 0] = tokens;
    driver.perform([{ kind: "reply", token: b, message: "for the second" }]);
    driver.perform([
      { kind: "reply", token: a, message: "for the first" },
      { kind: "reply", token: a, message: "again" },
    ]);
    expect(await Promise.all([first, second])).toEqual(["for the first", "for the second"]);
    expect(await driver.serve((token) => [{ kind: "reply", token, message: "at once" }])).toBe("at once");
  });

  test("feeds nothing back after it was stopped, takes its timers back, and sends peers away", async () => {
    const waiting = driver.serve(() => []);
    driver.perform([request(1), request(2), { kind: "timer", timer: "tick", afterMs: 5 }]);
    happened.length = 0;
    driver.stop();
    await expect(waiting).rejects.toMatchObject({ reason: { code: "busy" } });
    await expect(driver.serve(() => [])).rejects.toMatchObject({ reason: { code: "busy" } });
    settle[0]?.resolve("answer");
    settle[1]?.reject(new PeerFault({ code: "timeout" }));
    await timers.advance(1000);
    driver.perform([{ kind: "timer", timer: "late", afterMs: 5 }]);
    expect(timers.armed).toBe(0);
    expect(happened).toEqual([]);
  });
});
