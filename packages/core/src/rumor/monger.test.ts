import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import type { PeerSampler } from "../sampling/peer-sampler.ts";
import { LanNetwork } from "./lan-network.contract.ts";
import {
  type CarriedRumor,
  HOPS_MAX,
  type ReceivedRumor,
  type RumorAnswer,
  type RumorEffect,
  type RumorReply,
  type RumorRequest,
  type RumorVerdict,
} from "./messages.ts";
import { RumorMonger } from "./monger.ts";
import { DEFAULT_RUMOR_OPTIONS, type RumorOptions } from "./options.ts";

const SELF = "self~0000000000";

/** Mail and rounds at sizes that a test can list, each after a time of its own. */
const SMALL = { directMailMax: 8, coalesceMs: 2 };

function peersNamed(count: number): readonly Peer[] {
  return Array.from({ length: count }, (_, i) => ({ id: `p${i}~0000000000`, address: `10.0.0.${i}` }));
}

function held(time: number, sizeBytes = 100) {
  return { versions: [{ time, node: SELF }], sizeBytes };
}

/** A machine whose sampler always begins with the first peers. */
function machineWith(peers: readonly Peer[], options: Partial<RumorOptions> = {}): RumorMonger {
  const sampler: PeerSampler = { sample: (count) => peers.slice(0, count) };
  const machine = new RumorMonger(
    { ...DEFAULT_RUMOR_OPTIONS, ...SMALL, ...options },
    sampler,
    new SeededRandom(1),
  );
  machine.peersChanged(peers, peers.length + 1, 0);
  return machine;
}

function requests(effects: readonly RumorEffect[]) {
  return effects.flatMap((effect) =>
    effect.kind === "request" && effect.message.kind === "rumor_request"
      ? [{ id: effect.id, to: effect.to.id, message: effect.message }]
      : [],
  );
}

function replies(effects: readonly RumorEffect[]): readonly RumorReply[] {
  return effects.flatMap((effect) =>
    effect.kind === "reply" && effect.message.kind === "rumor_reply" ? [effect.message] : [],
  );
}

/** Fires the machine's timers in order of their dates, up to that time. */
class Clock {
  readonly #machine: RumorMonger;
  #timers: { at: number; effect: Extract<RumorEffect, { kind: "timer" }> }[] = [];
  now = 0;

  constructor(machine: RumorMonger) {
    this.#machine = machine;
  }

  note(effects: readonly RumorEffect[]): readonly RumorEffect[] {
    for (const effect of effects) {
      if (effect.kind === "timer") this.#timers.push({ at: this.now + effect.afterMs, effect });
    }
    return effects;
  }

  until(time: number): readonly RumorEffect[] {
    const all: RumorEffect[] = [];
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (next === undefined || next.at > time) break;
      this.#timers.shift();
      this.now = next.at;
      all.push(...this.note(this.#machine.onTimer(next.effect.timer, this.now)));
    }
    this.now = time;
    return all;
  }
}

function reply(answers: readonly RumorAnswer[], rumors: readonly CarriedRumor[] = []): RumorReply {
  return { kind: "rumor_reply", turn: 1, answers, rumors };
}

function offer(key: string, time: number, inline: boolean, mailed = false): CarriedRumor {
  return { key, ...held(time), hops: 0, mailed, inline };
}

function request(rumors: readonly CarriedRumor[], extra: Partial<RumorRequest> = {}): RumorRequest {
  return { kind: "rumor_request", rumors, wants: [], answers: undefined, pull: false, ...extra };
}

function verdicts(keys: readonly string[], verdict: RumorVerdict): readonly RumorAnswer[] {
  return keys.map((key) => ({ key, verdict }));
}

describe("direct mail", () => {
  test("goes to every live peer with the record, once the coalescing time is over, and the rumor then ends", () => {
    const machine = machineWith(peersNamed(3));
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    clock.note(machine.add({ key: "b", ...held(2), origin: "write", acks: 0 }, 0));
    expect(requests(clock.until(1.9))).toEqual([]);
    const sent = requests(clock.until(2));
    expect(sent.map(({ to }) => to)).toEqual(peersNamed(3).map((peer) => peer.id));
    for (const { id, message } of sent) {
      expect(message.rumors.map(({ key, inline, mailed }) => ({ key, inline, mailed }))).toEqual([
        { key: "a", inline: true, mailed: true },
        { key: "b", inline: true, mailed: true },
      ]);
      const effects = machine.onReply(id, reply(verdicts(["a", "b"], "new")), [], 3);
      expect(effects.filter((effect) => effect.kind === "event")).toHaveLength(2);
      expect(requests(effects)).toEqual([]);
    }
    expect(machine.isQuiet).toBe(true);
  });

  describe("of many records at once", () => {
    const keys = Array.from({ length: 8 }, (_, i) => `many/${i}`);

    /** Two peers, and as many writes as may linger, in one turn; each waits for so many peers. */
    function manyWrites(acks: number, count = keys.length): { machine: RumorMonger; clock: Clock } {
      const machine = machineWith(peersNamed(2), { coalesceMs: 0, lingerMs: 5, lingerMin: 8 });
      const clock = new Clock(machine);
      for (const [i, key] of keys.slice(0, count).entries()) {
        clock.note(machine.add({ key, ...held(i + 1), origin: "write", acks }, 0));
      }
      return { machine, clock };
    }
    const sentTo = (effects: readonly RumorEffect[]) => requests(effects).map(({ to }) => to);

    test("goes at once to as many peers as their writers wait for, and to the others with what comes up within the linger time", () => {
      const { machine, clock } = manyWrites(1);
      expect(sentTo(clock.until(0))).toEqual(["p0~0000000000"]);
      clock.until(2);
      clock.note(machine.add({ key: "later", ...held(9), origin: "write", acks: 0 }, clock.now));
      expect(sentTo(clock.until(4.9))).toEqual([]);
      const [last, ...others] = requests(clock.until(5));
      expect(others).toEqual([]);
      expect(last?.to).toBe("p1~0000000000");
      expect(last?.message.rumors.map(({ key }) => key)).toEqual([...keys, "later"]);
    });

    test("goes to all at once where their writers wait for all, or where there are too few to save anything", () => {
      expect(sentTo(manyWrites(2).clock.until(0))).toHaveLength(2);
      expect(sentTo(manyWrites(0, 7).clock.until(0))).toHaveLength(2);
    });

    test("lingers no longer when a writer comes to wait for it", () => {
      const { machine, clock } = manyWrites(1);
      clock.until(1);
      // The first peer has not answered, so the second one has to.
      clock.note(machine.add({ key: "new", ...held(9), origin: "write", acks: 1 }, 1));
      expect(sentTo(clock.until(1))).toEqual(["p1~0000000000"]);
    });

    test("that nobody waits for lingers for every peer", () => {
      const { clock } = manyWrites(0);
      expect(sentTo(clock.until(4.9))).toEqual([]);
      expect(sentTo(clock.until(5))).toHaveLength(2);
    });
  });

  test("is not forwarded by its receivers", () => {
    const machine = machineWith(peersNamed(3));
    const [from] = peersNamed(3);
    if (from === undefined) return;
    const received: readonly ReceivedRumor[] = [{ state: "new", held: held(1) }];
    machine.onRequest(from, 1, request([offer("a", 1, true, true)]), received, 0);
    expect(machine.hotEntries).toBe(0);
  });

  test("above the inline bound offers versions, and sends the record to whoever wants it", () => {
    const machine = machineWith(peersNamed(1));
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "big", ...held(1, 50_000), origin: "write", acks: 0 }, 0));
    const [first] = requests(clock.until(2));
    expect(first?.message.rumors[0]).toMatchObject({ key: "big", inline: false });
    const [second] = requests(machine.onReply(first?.id ?? -1, reply(verdicts(["big"], "wanted")), [], 3));
    expect(second?.message.rumors[0]).toMatchObject({ key: "big", inline: true });
    const done = machine.onReply(second?.id ?? -1, reply(verdicts(["big"], "new")), [], 4);
    expect(done).toContainEqual({
      kind: "event",
      event: { kind: "rumor_held", peer: "p0~0000000000", key: "big", versions: held(1).versions },
    });
    expect(machine.isQuiet).toBe(true);
  });

  test.each(["wanted", "promised", "refused"] as const)(
    "that is %s is not held by that peer yet",
    (verdict) => {
      const machine = machineWith(peersNamed(1));
      const clock = new Clock(machine);
      clock.note(machine.add({ key: "big", ...held(1, 50_000), origin: "write", acks: 1 }, 0));
      const [sent] = requests(clock.until(2));
      const heard = machine.onReply(sent?.id ?? -1, reply(verdicts(["big"], verdict)), [], 3);
      expect(heard.filter(({ kind }) => kind === "event")).toEqual([]);
    },
  );

  test("to a peer that fails is given up, counted, and not tried again during the backoff", () => {
    const machine = machineWith(peersNamed(1), { failureBackoffMs: 200 });
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    const [sent] = requests(clock.until(2));
    clock.note(machine.add({ key: "b", ...held(2), origin: "write", acks: 0 }, 2));
    machine.onFailure(sent?.id ?? -1, 2);
    expect(machine.counters.undelivered).toBe(2);
    expect(machine.isQuiet).toBe(true);
    clock.note(machine.add({ key: "c", ...held(3), origin: "write", acks: 0 }, 100));
    expect(requests(clock.until(150))).toEqual([]);
    clock.until(210);
    clock.note(machine.add({ key: "d", ...held(4), origin: "write", acks: 0 }, 210));
    expect(requests(clock.until(300))).toHaveLength(1);
  });
});

describe("the pipe to a peer", () => {
  test("has one request in flight; what becomes hot meanwhile goes into the next", () => {
    const machine = machineWith(peersNamed(1));
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    const [first] = requests(clock.until(2));
    for (const key of ["b", "c", "d"]) {
      clock.note(machine.add({ key, ...held(2), origin: "write", acks: 0 }, clock.now));
    }
    expect(requests(clock.until(50))).toEqual([]);
    const [second] = requests(machine.onReply(first?.id ?? -1, reply(verdicts(["a"], "new")), [], 50));
    expect(second?.message.rumors.map((rumor) => rumor.key)).toEqual(["b", "c", "d"]);
  });

  test("keeps each message within its bounds, and sends the rest next", () => {
    const machine = machineWith(peersNamed(1), { maxMessageBytes: 8192, inlineMaxBytes: 4096 });
    const clock = new Clock(machine);
    for (const key of ["a", "b", "c"]) {
      clock.note(machine.add({ key, ...held(1, 3500), origin: "write", acks: 0 }, 0));
    }
    const [first] = requests(clock.until(2));
    expect(first?.message.rumors.map((rumor) => rumor.key)).toEqual(["a", "b"]);
    const [second] = requests(machine.onReply(first?.id ?? -1, reply([]), [], 3));
    expect(second?.message.rumors.map((rumor) => rumor.key)).toEqual(["c"]);
  });

  test("leaves a record that fits no message to anti-entropy, and counts it", () => {
    const machine = machineWith(peersNamed(1), { maxMessageBytes: 8192 });
    expect(machine.add({ key: "a", ...held(1, 9000), origin: "write", acks: 0 }, 0)).toEqual([]);
    expect(machine.counters.oversized).toBe(1);
  });

  test("ignores a reply that it does not wait for", () => {
    const machine = machineWith(peersNamed(1));
    expect(machine.onReply(99, reply(verdicts(["a"], "new")), [], 0)).toEqual([]);
    expect(machine.onFailure(99, 0)).toEqual([]);
  });
});

describe("the hot list", () => {
  test("drops the oldest beyond its bound and counts it", () => {
    const machine = machineWith(peersNamed(20), { hotMaxEntries: 2 });
    for (const key of ["a", "b", "c"]) machine.add({ key, ...held(1), origin: "write", acks: 0 }, 0);
    expect([machine.isHot("a"), machine.isHot("b"), machine.isHot("c")]).toEqual([false, true, true]);
    expect(machine.counters.dropped).toBe(1);
  });

  test("holds the newest state of a key only", () => {
    const peers = peersNamed(20);
    const machine = machineWith(peers, { fanout: 1 });
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    clock.note(machine.add({ key: "a", ...held(2), origin: "write", acks: 0 }, 0));
    const [sent] = requests(clock.until(2));
    expect(sent?.message.rumors.map((rumor) => rumor.versions)).toEqual([held(2).versions]);
  });
});

describe("mongering", () => {
  test("ends a rumor after k needless contacts in a row, and starts over after a useful one", () => {
    const peers = peersNamed(20);
    let turn = 0;
    const sampler: PeerSampler = { sample: () => peers.slice(turn, ++turn) };
    const options = { ...DEFAULT_RUMOR_OPTIONS, ...SMALL, fanout: 1, k: 2, mode: "push" } as const;
    const machine = new RumorMonger(options, sampler, new SeededRandom(1));
    machine.peersChanged(peers, 21, 0);
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    const script: readonly RumorVerdict[] = ["known", "new", "known", "wanted", "promised", "refused"];
    for (const [i, verdict] of script.entries()) {
      expect(machine.isHot("a")).toBe(true);
      const sent = requests(clock.until(clock.now + options.roundIntervalMs));
      const { id } = sent[0] ?? { id: -1 };
      const more = requests(machine.onReply(id, reply(verdicts(["a"], verdict)), [], clock.now));
      if (verdict === "wanted")
        machine.onReply(more[0]?.id ?? -1, reply(verdicts(["a"], "new")), [], clock.now);
      expect(sent.map(({ to }) => to)).toEqual([peers[i]?.id]);
    }
    expect(machine.isHot("a")).toBe(false);
  });

  test("never offers a rumor again to a peer that holds or refuses it, and ends it when nobody is left", () => {
    const peers = peersNamed(12);
    const machine = machineWith(peers, { fanout: 12, k: 99, sendsFactor: 9 });
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    const sent = requests(clock.until(2));
    expect(sent).toHaveLength(12);
    for (const [i, { id }] of sent.entries()) {
      clock.note(machine.onReply(id, reply(verdicts(["a"], i < 6 ? "new" : "refused")), [], 3));
    }
    expect(requests(clock.until(100))).toEqual([]);
    expect(machine.isQuiet).toBe(true);
  });

  test("ends a rumor after its sends even when every contact is lost", () => {
    const network = new LanNetwork(12, 1, { directMailMax: 0, k: 99, sendsFactor: 1 });
    network.lossRate = 1;
    network.write(0, 0, "a", 100);
    network.run();
    expect(network.node(0).machine.isQuiet).toBe(true);
    expect(network.node(0).machine.counters.requests).toBeLessThanOrEqual(Math.ceil(Math.log2(13)));
  });

  test("ends a rumor whose peers stay away, by the bound on rounds", () => {
    const peers = peersNamed(12);
    const machine = machineWith(peers, { fanout: 1, failureBackoffMs: 1e9 });
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "write", acks: 0 }, 0));
    const [sent] = requests(clock.until(2));
    clock.note(machine.onFailure(sent?.id ?? -1, 3));
    expect(requests(clock.until(10_000))).toHaveLength(1);
    clock.until(100_000);
    expect(machine.hotEntries).toBe(0);
  });

  test("sends the record while few can know it and only versions later", () => {
    const machine = machineWith(peersNamed(31), { fanout: 1, inlineShare: 0.2 });
    const clock = new Clock(machine);
    const [from] = peersNamed(31);
    if (from === undefined) return;
    const hops = [0, 1, 5].map((hop) => ({ ...offer(`hop${hop}`, 1, true), hops: hop }));
    const received = hops.map((): ReceivedRumor => ({ state: "new", held: held(1) }));
    clock.note(machine.onRequest(from, 1, request(hops), received, 0));
    const [, second] = requests(clock.until(2));
    expect(second).toBeUndefined();
    const [other] = peersNamed(31).slice(1);
    if (other === undefined) return;
    const shown = (now: number) =>
      replies(machine.onRequest(other, now, request([], { pull: true }), [], now))[0]?.rumors.map(
        (r) => r.inline,
      );
    expect(shown(3)).toEqual([true, false, false]);
    for (let round = 0; round < 3; round++) clock.until(clock.now + 20);
    expect(shown(clock.now)).toEqual([false, false, false]);
  });

  test("passes on no greater number of hops than there can be, whatever a peer says", () => {
    const machine = machineWith(peersNamed(31), {});
    const [from, other] = peersNamed(31);
    if (from === undefined || other === undefined) return;
    const told = [3, HOPS_MAX, Number.MAX_SAFE_INTEGER].map((hops) => ({
      ...offer(`${hops}`, 1, true),
      hops,
    }));
    const received = told.map((): ReceivedRumor => ({ state: "new", held: held(1) }));
    machine.onRequest(from, 1, request(told), received, 0);
    const [reply] = replies(machine.onRequest(other, 2, request([], { pull: true }), [], 0));
    expect(reply?.rumors.map(({ hops }) => hops)).toEqual([4, HOPS_MAX, HOPS_MAX]);
  });

  test("repairs are offered by version only", () => {
    const machine = machineWith(peersNamed(20), { fanout: 1 });
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "a", ...held(1), origin: "repair", acks: 0 }, 0));
    expect(requests(clock.until(2))[0]?.message.rumors[0]).toMatchObject({ key: "a", inline: false });
  });

  test("a coordinator that waits for 17 of 32 hears of 17 holders within 100 ms", () => {
    const network = new LanNetwork(32, 5);
    for (let i = 0; i < 20; i++) network.write(i * 50, i, `key-${i}`, 100, 17);
    for (let i = 0; i < 20; i++) {
      network.at(i * 50 + 100, () => {
        const peers = new Set(
          network
            .node(i)
            .held.filter(({ key }) => key === `key-${i}`)
            .map(({ peer }) => peer),
        );
        expect(peers.size).toBeGreaterThanOrEqual(17);
      });
    }
    network.run();
    expect(network.missing()).toBe(0);
  });
});

describe("answers", () => {
  const [first, second] = peersNamed(2);

  test("ask one of two peers that offer the same record, and the other when the first does not send it", () => {
    if (first === undefined || second === undefined) return;
    const machine = machineWith(peersNamed(20), { wantTimeoutMs: 250 });
    const clock = new Clock(machine);
    const lacking: readonly ReceivedRumor[] = [{ state: "lacking" }];
    const a = clock.note(machine.onRequest(first, 1, request([offer("a", 1, false)]), lacking, 0));
    const b = clock.note(machine.onRequest(second, 2, request([offer("a", 1, false)]), lacking, 1));
    expect(replies(a)[0]?.answers).toEqual([{ key: "a", verdict: "wanted" }]);
    expect(replies(b)[0]?.answers).toEqual([{ key: "a", verdict: "promised" }]);
    expect(requests(clock.until(249))).toEqual([]);
    const [asked] = requests(clock.until(250));
    expect(asked?.to).toBe(second.id);
    expect(asked?.message.wants.map(({ key }) => key)).toEqual(["a"]);
    const came: readonly ReceivedRumor[] = [{ state: "new", held: held(1) }];
    machine.onReply(asked?.id ?? -1, reply([], [offer("a", 1, true)]), came, 251);
    expect(requests(clock.until(900)).flatMap(({ message }) => message.wants)).toEqual([]);
  });

  test("a push-pull reply brings the hot rumors the asker lacks, and the newer state of what it offered", () => {
    if (first === undefined) return;
    const machine = machineWith(peersNamed(20));
    machine.add({ key: "hot", ...held(5), origin: "write", acks: 0 }, 0);
    const older: readonly ReceivedRumor[] = [{ state: "known", held: held(9) }];
    const [answer] = replies(
      machine.onRequest(first, 1, request([offer("a", 1, true)], { pull: true }), older, 0),
    );
    expect(answer?.rumors.map(({ key, versions }) => [key, versions[0]?.time])).toEqual([
      ["a", 9],
      ["hot", 5],
    ]);
    const feedback = { turn: answer?.turn ?? -1, list: verdicts(["hot"], "new") };
    const heard = machine.onRequest(first, 2, request([], { pull: true, answers: feedback }), [], 1);
    expect(heard).toContainEqual({
      kind: "event",
      event: { kind: "rumor_held", peer: first.id, key: "hot", versions: held(5).versions },
    });
    expect(replies(heard)[0]?.rumors).toEqual([]);
  });

  test("to a reply that is no longer the last one change nothing", () => {
    if (first === undefined) return;
    const machine = machineWith(peersNamed(20));
    machine.add({ key: "hot", ...held(5), origin: "write", acks: 0 }, 0);
    const [answer] = replies(machine.onRequest(first, 1, request([], { pull: true }), [], 0));
    const late = { turn: (answer?.turn ?? 0) + 1, list: verdicts(["hot"], "new") };
    const heard = machine.onRequest(first, 2, request([], { pull: true, answers: late }), [], 1);
    expect(heard.filter((effect) => effect.kind === "event")).toEqual([]);
    expect(replies(heard)[0]?.rumors.map(({ key }) => key)).toEqual(["hot"]);
  });
});

describe("a write whose writer waits for more peers than a round has", () => {
  test.each([
    { later: "is waited for only when it is hot already", first: 0, time: 1, again: 6 },
    { later: "is replaced by one of the key that nobody waits for", first: 6, time: 2, again: 0 },
  ])("is offered to all of those at once, also when it $later", ({ first, time, again }) => {
    const machine = machineWith(peersNamed(20));
    const clock = new Clock(machine);
    clock.note(machine.add({ key: "k", ...held(1), origin: "write", acks: first }, 0));
    clock.note(machine.add({ key: "k", ...held(time), origin: "write", acks: again }, 0));
    expect(requests(clock.until(5))).toHaveLength(6);
  });
});

describe("with nothing hot", () => {
  test.each([
    ["push_pull", false, 0],
    ["push_pull", true, 2],
    ["push", true, 0],
    ["pull", false, 2],
  ] as const)("in mode %s, asking when idle %s, a node asks %i peers a round", (mode, asksIdle, asked) => {
    const peers = peersNamed(10);
    const machine = new RumorMonger(
      { ...DEFAULT_RUMOR_OPTIONS, mode, asksIdle, fanout: 2, settledMax: 0 },
      { sample: (count) => peers.slice(0, count) },
      new SeededRandom(1),
    );
    const clock = new Clock(machine);
    clock.note(machine.peersChanged(peers, 11, 0));
    const messages = requests(clock.until(50)).map(({ message }) => message);
    expect(messages).toHaveLength(asked);
    expect(messages.every(({ pull, rumors }) => pull && rumors.length === 0)).toBe(true);
  });
});
