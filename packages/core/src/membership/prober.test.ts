/** One node's probes, effect by effect. */
import { describe, expect, test } from "vitest";
import type { Member } from "./member.ts";
import type { Swim } from "./swim.ts";
import type { SwimEffect, SwimReply, SwimRequest } from "./swim-messages.ts";
import { memberOf, VirtualCluster } from "./virtual-cluster.contract.ts";

const A = memberOf("a");
const B = memberOf("b");
const OTHERS = ["b", "c", "d", "e"].map((name) => memberOf(name));

type Request = Extract<SwimEffect, { kind: "request" }>;
const requestsIn = (effects: readonly SwimEffect[]): Request[] =>
  effects.flatMap((effect) => (effect.kind === "request" ? [effect] : []));
const timersIn = (effects: readonly SwimEffect[]): number[] =>
  effects.flatMap((effect) =>
    effect.kind === "timer" && effect.timer.kind === "probe" ? [effect.afterMs] : [],
  );
const machine = (members: readonly Member[] = OTHERS): Swim =>
  new VirtualCluster({ seed: 1 }).start(A, { members });

const memberAt = (address: string): Member => OTHERS.find((member) => member.address === address) ?? A;
const ack = (request: Request): SwimReply => ({
  kind: "ack",
  from: memberAt(request.to.address),
  updates: [],
});
const nack = (request: Request): SwimReply => ({
  kind: "nack",
  from: memberAt(request.to.address),
  updates: [],
});

/** Starts a probe at 0, lets its ping time out after 500 ms, and gives the requests to the helpers. */
function failDirectly(swim: Swim): { readonly target: string; readonly helpers: Request[] } {
  const [ping] = requestsIn(swim.timer({ kind: "probe" }, 0));
  if (ping === undefined) expect.unreachable();
  return { target: ping.to.id, helpers: requestsIn(swim.failed(ping.id, { kind: "timeout" }, 500)) };
}

describe("a probe", () => {
  test("that is answered ends there, and the next one starts a period after it", () => {
    const swim = machine();
    const [ping] = requestsIn(swim.timer({ kind: "probe" }, 0));
    if (ping === undefined) expect.unreachable();
    expect(ping).toMatchObject({ message: { kind: "ping", to: ping.to.id }, timeoutMs: 500 });
    expect(timersIn(swim.reply(ping.id, ack(ping), 100))).toEqual([900]);
  });

  test("that fails asks three others for the rest of the period, who have 80% of it", () => {
    const swim = machine();
    const { target, helpers } = failDirectly(swim);
    expect(helpers).toHaveLength(3);
    expect(new Set(helpers.map((helper) => helper.to.id).concat(target)).size).toBe(4);
    for (const helper of helpers) {
      expect(helper).toMatchObject({ timeoutMs: 500, message: { kind: "ping-req", target, waitMs: 400 } });
    }
  });

  test("that one helper answers with an ack accuses nobody", () => {
    const swim = machine();
    const { target, helpers } = failDirectly(swim);
    const [first, second, third] = helpers;
    if (first === undefined || second === undefined || third === undefined) expect.unreachable();
    expect(timersIn(swim.reply(first.id, nack(first), 600))).toEqual([]);
    expect(timersIn(swim.reply(second.id, ack(second), 700))).toEqual([300]);
    expect(swim.failed(third.id, { kind: "timeout" }, 1_000)).toEqual([]);
    expect(swim.table.stateOf(target)).toBe("alive");
  });

  test("is not ended by an ack from another member than the one asked", () => {
    const swim = machine();
    const [ping] = requestsIn(swim.timer({ kind: "probe" }, 0));
    if (ping === undefined) expect.unreachable();
    const other = OTHERS.find((member) => member.id !== ping.to.id) ?? A;
    expect(requestsIn(swim.reply(ping.id, { kind: "ack", from: other, updates: [] }, 100))).toHaveLength(3);
  });

  test("never goes to a retired member", () => {
    const swim = machine();
    for (const member of OTHERS.slice(1)) swim.retire(member.id, 0);
    for (let period = 0; period < 5; period++) {
      const [ping] = requestsIn(swim.timer({ kind: "probe" }, period * 1_000));
      expect(ping?.to.id).toBe(B.id);
      swim.reply(ping?.id ?? -1, { kind: "ack", from: B, updates: [] }, period * 1_000 + 1);
    }
  });
});

describe("local health", () => {
  const finish = (swim: Swim, answer: (helper: Request) => SwimReply | undefined): SwimEffect[] =>
    failDirectly(swim).helpers.flatMap((helper) => {
      const reply = answer(helper);
      return reply === undefined
        ? swim.failed(helper.id, { kind: "timeout" }, 1_000)
        : swim.reply(helper.id, reply, 900);
    });

  test("stays as it is when all helpers answer that they failed too: the member is gone, not this node", () => {
    const swim = machine();
    finish(swim, nack);
    expect(swim.stats.localHealth).toBe(0);
    expect(swim.table.members().filter((member) => member.state === "suspect")).toHaveLength(1);
  });

  test("worsens with each helper that answers nothing, and stretches period and time-out", () => {
    const swim = machine();
    finish(swim, () => undefined);
    expect(swim.stats.localHealth).toBe(3);
    const [ping] = requestsIn(swim.timer({ kind: "probe" }, 1_000));
    if (ping === undefined) expect.unreachable();
    expect(ping.timeoutMs).toBe(2_000);
    expect(timersIn(swim.reply(ping.id, ack(ping), 1_100))).toEqual([3_900]);
    expect(swim.stats.localHealth).toBe(2);
  });

  test("worsens by one when there is nobody to help", () => {
    const swim = machine([B]);
    expect(failDirectly(swim).helpers).toEqual([]);
    expect(swim.stats.localHealth).toBe(1);
  });

  test("worsens when this node has to refute", () => {
    const swim = machine();
    swim.absorb([{ kind: "member", member: { ...A, state: "suspect" } }], B.id, 0);
    expect(swim.stats.localHealth).toBe(1);
  });
});

describe("a node that stood still itself", () => {
  /** A probe that no helper answers, told of when `lateMs` after its end. */
  function failLate(swim: Swim, lateMs: number): string {
    const { target, helpers } = failDirectly(swim);
    for (const helper of helpers) swim.failed(helper.id, { kind: "timeout" }, 1_000 + lateMs);
    return target;
  }

  test("accuses nobody on a probe whose end it was late to see, and trusts itself less", () => {
    const swim = machine();
    expect(swim.table.stateOf(failLate(swim, 251))).toBe("alive");
    expect(swim.stats.localHealth).toBe(1);
  });

  test("accuses as ever when it was only a little late", () => {
    const swim = machine();
    expect(swim.table.stateOf(failLate(swim, 250))).toBe("suspect");
    expect(swim.stats.localHealth).toBe(3);
  });

  test("excuses no member twice in a row, or one that is gone would never be found", () => {
    const swim = machine(OTHERS.slice(0, 2));
    const [gone] = OTHERS;
    if (gone === undefined) expect.unreachable();
    let nowMs = 0;
    let probes = 0;
    while (swim.table.stateOf(gone.id) === "alive") {
      const [ping] = requestsIn(swim.timer({ kind: "probe" }, nowMs));
      if (ping === undefined) expect.unreachable();
      if (ping.to.id === gone.id) {
        probes += 1;
        nowMs += ping.timeoutMs;
        for (const helper of requestsIn(swim.failed(ping.id, { kind: "timeout" }, nowMs))) {
          swim.failed(helper.id, { kind: "timeout" }, nowMs + helper.timeoutMs + 300);
        }
      } else swim.reply(ping.id, ack(ping), nowMs + 1);
      nowMs += 20_000;
    }
    expect(probes).toBe(2);
  });

  test("excuses a member anew that has answered since", () => {
    const swim = machine([B]);
    const probe = (finish: (ping: Request, atMs: number) => SwimEffect[], atMs: number): void => {
      const [ping] = requestsIn(swim.timer({ kind: "probe" }, atMs));
      if (ping === undefined) expect.unreachable();
      finish(ping, atMs);
    };
    const late = (ping: Request, atMs: number): SwimEffect[] =>
      swim.failed(ping.id, { kind: "timeout" }, atMs + ping.timeoutMs + 300);
    probe(late, 0);
    probe((ping, atMs) => swim.reply(ping.id, ack(ping), atMs + 1), 20_000);
    probe(late, 40_000);
    expect(swim.table.stateOf(B.id)).toBe("alive");
    probe(late, 60_000);
    expect(swim.table.stateOf(B.id)).toBe("suspect");
  });

  test("gives the next probe more time when its period began late", () => {
    const swim = machine();
    const [first] = requestsIn(swim.timer({ kind: "probe" }, 0));
    if (first === undefined) expect.unreachable();
    swim.reply(first.id, ack(first), 1);
    expect(requestsIn(swim.timer({ kind: "probe" }, 1_251))).toMatchObject([{ timeoutMs: 1_000 }]);
  });
});

test("a refutation leaves at once, but not more than once a period", () => {
  const swim = machine();
  const accuse = (generation: number, nowMs: number): Request[] =>
    requestsIn(
      swim.absorb([{ kind: "member", member: { ...A, state: "suspect", generation } }], B.id, nowMs),
    );
  const told = accuse(0, 0);
  expect(told).toHaveLength(4);
  for (const { message } of told) expect(message).toMatchObject({ kind: "ping", from: { generation: 1 } });
  expect(accuse(1, 500)).toEqual([]);
  expect(accuse(2, 1_000)).toHaveLength(4);
});

test("a helper gives no probe more time than this node would take at its worst", () => {
  const swim = machine();
  const message: SwimRequest = {
    kind: "ping-req",
    from: B,
    to: A.id,
    target: OTHERS[1]?.id ?? "",
    waitMs: 1e9,
    updates: [],
  };
  expect(requestsIn(swim.request(message, 0, 0))).toMatchObject([{ timeoutMs: 8_000 }]);
});

test("a suspicion that an earlier run left behind is taken up, and ends", () => {
  const cluster = new VirtualCluster({ seed: 1 });
  const swim = cluster.start(A, { members: [{ ...B, state: "suspect" }] });
  expect(cluster.runUntil(() => swim.table.stateOf(B.id) === "dead", 30_000)).toBeDefined();
});

test("a node that has left says so in every answer", () => {
  const swim = machine();
  swim.leave(0);
  while (swim.piggyback(10).length > 0);
  const message: SwimRequest = { kind: "ping", from: B, to: A.id, updates: [] };
  expect(swim.request(message, 0, 0)).toMatchObject([
    { kind: "reply", message: { kind: "ack", updates: [{ kind: "retired", id: A.id }] } },
  ]);
});

describe("seeds", () => {
  test("at the own address are not contacted", () => {
    const swim = machine([]);
    expect(requestsIn(swim.join([A.address, A.address]))).toEqual([]);
    expect(requestsIn(swim.join([A.address, B.address])).map((request) => request.to.address)).toEqual([
      B.address,
    ]);
  });

  test("that turn out to be this node under another address are given up quietly", () => {
    const swim = machine([]);
    const [request] = requestsIn(swim.join(["alias:1"]));
    const refused: SwimReply = { kind: "refused", code: "own_id", holder: { id: A.id, address: A.address } };
    expect(swim.reply(request?.id ?? -1, refused, 1)).toEqual([]);
    expect(swim.timer({ kind: "join" }, 1_000)).toEqual([]);
  });
});
