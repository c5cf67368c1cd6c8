/** What readers are told when more happens than can be told. */
import { applyWrite, boundClaims, type Claims, isLive, NO_CLAIMS, type Sibling, winner } from "@hearsay/core";
import { describe, expect, it } from "vitest";
import { HeldTimers, rest } from "../testing/held-timers.ts";
import { MemoryStore } from "../testing/memory-store.ts";
import { WatchHub } from "./hub.ts";
import { REST_FACTOR } from "./pace.ts";
import type { Reader } from "./topic.ts";
import { Waiter } from "./waiters.ts";

const SELF = "n1~0123456789";
const NOW_MS = 1_000_000;
const TABLE = "0123456789abcdef";
const LARGE = new Uint8Array(30_000);
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

class World {
  readonly timers: HeldTimers = new HeldTimers();
  readonly store: MemoryStore = new MemoryStore();
  readonly hub: WatchHub;
  floor = 0;
  #time = 0;
  #isCaughtUp: boolean;

  constructor(limits: { readonly logMaxBytes: number; readonly maxHeldBytes: number }, isCaughtUp = true) {
    this.#isCaughtUp = isCaughtUp;
    this.hub = new WatchHub(
      {
        store: this.store,
        clock: { nowMs: () => NOW_MS },
        timers: this.timers,
        log,
        self: SELF,
        cluster: "0123456789ab",
        knownThrough: 0,
        standing: () => ({
          isCaughtUp: this.#isCaughtUp,
          claims: this.#claims(),
          table: TABLE,
          floor: this.floor,
        }),
      },
      { maxWatchers: 10, maxScans: 1, ...limits },
    );
  }

  #claims(): Claims {
    const entries = new Map([[SELF, this.#time]]);
    return this.#isCaughtUp ? boundClaims({ table: TABLE, base: 1, entries }) : NO_CLAIMS;
  }

  async write(key: string, bytes: Uint8Array | undefined): Promise<number> {
    this.#time += 1;
    const version = { time: this.#time, node: SELF };
    const sibling: Sibling =
      bytes === undefined
        ? { kind: "tombstone", version }
        : { kind: "value", version, bytes, contentType: "", expiresAtMs: null };
    await this.store.put(key, applyWrite(this.store.latest(key), sibling, undefined));
    return version.time;
  }

  /** What is stored, and what somebody knows who has been told of all of it. */
  state(prefix: string): Map<string, string> {
    const state = new Map<string, string>();
    for (const [key, record] of this.store.committed) {
      const { version } = winner(record);
      const kind = isLive(winner(record), NOW_MS) ? "put" : "delete";
      if (key.startsWith(prefix)) state.set(key, `${kind} ${version.time}`);
    }
    return state;
  }
}

/** Each delivery to it takes a while. */
class SlowReader implements Reader {
  readonly times: number[] = [];
  readonly known: Map<string, string> = new Map();
  readonly cursors: string[] = [];
  isEnded = false;
  tellingMs = 0;
  readonly #timers: HeldTimers;
  readonly #costMs: number;
  readonly #leave: () => void;

  constructor({ hub, timers }: World, prefix: string, costMs: number) {
    this.#timers = timers;
    this.#costMs = costMs;
    this.#leave = hub.join(prefix, this);
  }

  deliver({ changes, cursor }: Parameters<Reader["deliver"]>[0]): void {
    this.#timers.take(this.#costMs);
    this.tellingMs += this.#costMs;
    if (cursor !== undefined) this.cursors.push(cursor.text);
    for (const { key, kind, version } of changes) {
      this.times.push(version.time);
      this.known.set(key, `${kind} ${version.time}`);
    }
  }

  tick(): void {
    // It needs no heartbeats.
  }

  end(): void {
    this.isEnded = true;
    this.#leave();
  }
}

const ROOMY = { logMaxBytes: 1_000_000, maxHeldBytes: 10_000_000 };

describe("readers of more than can be told", () => {
  it("hear of every version, in order, each reader alike, in no more than the share of the time", async () => {
    const world = new World(ROOMY);
    const readers = [1, 2, 3].map(() => new SlowReader(world, "", 7));
    const written: number[] = [];
    for (let i = 0; i < 40; i++) {
      for (const key of ["a", "b"]) written.push(await world.write(key, i % 5 === 4 ? undefined : LARGE));
      await world.timers.pass(1);
    }
    expect(readers[0]?.times.length).toBeLessThan(written.length);
    await world.timers.pass(60_000);
    for (const { times } of readers) expect(times).toEqual(written);
    expect([world.hub.topics.heldBytes, world.hub.topics.lag, world.hub.counts.behind]).toEqual([0, 0, 0]);
  });

  it("take no more than the share of the time from the node, whatever gathers", async () => {
    const world = new World({ logMaxBytes: 20_000, maxHeldBytes: 100_000 });
    const readers = [1, 2, 3].map(() => new SlowReader(world, "", 30));
    for (let i = 0; i < 1_000; i++) {
      await world.write(`k${i}`, LARGE);
      await world.timers.pass(1);
      expect(world.hub.topics.heldBytes).toBeLessThanOrEqual(100_000);
    }
    const tellingMs = readers.reduce((sum, reader) => sum + reader.tellingMs, 0);
    // Besides the one that is under way.
    expect(tellingMs - 30).toBeLessThanOrEqual(world.timers.monotonicMs() / (1 + REST_FACTOR));
    expect(tellingMs).toBeGreaterThan(world.timers.monotonicMs() / (3 + REST_FACTOR));
  });

  it.each([
    ["the log has what they missed", 1_000_000, 0],
    ["the log has been overrun", 2_000, 1],
  ])("end with the state of the prefix, deletions included, when %s", async (_, logMaxBytes, overruns) => {
    const world = new World({ logMaxBytes, maxHeldBytes: 100_000 });
    for (let i = 0; i < 300; i++) await world.write(`p/${i}`, new Uint8Array(1));
    const reader = new SlowReader(world, "p/", 5);
    for (let i = 0; i < 300; i++) {
      await world.write(`p/${i}`, i % 3 === 0 ? undefined : LARGE);
      await world.write(`other/${i}`, LARGE);
    }
    expect(reader.known.size).toBe(0);
    await world.timers.pass(60_000);
    expect(reader.isEnded).toBe(false);
    expect(reader.known).toEqual(world.state("p/"));
    expect(world.hub.counts.behind).toBe(1);
    expect(Math.sign(world.hub.counts.overruns)).toBe(overruns);
    // And is told of every version again.
    const times = [await world.write("p/1", undefined), await world.write("p/1", LARGE)];
    await world.timers.pass(1_000);
    expect(reader.times.slice(-2)).toEqual(times);
    expect(reader.cursors.at(-1)).toBe(world.hub.moment().text);
  });

  it("are told by the look at the records of what they do not know, and of nothing else", async () => {
    const world = new World({ logMaxBytes: 1_000, maxHeldBytes: 100_000 });
    for (let i = 0; i < 1_000; i++) await world.write(`old/${i}`, new Uint8Array(1));
    const reader = new SlowReader(world, "", 5);
    for (let i = 0; i < 50; i++) await world.write(`new/${i}`, LARGE);
    await world.timers.pass(60_000);
    expect(world.hub.counts.overruns).toBe(1);
    expect(reader.known).toEqual(world.state("new/"));
  });

  it("are ended, so that their cursor decides, when deletions may have been purged meanwhile", async () => {
    const world = new World({ logMaxBytes: 1_000, maxHeldBytes: 100_000 });
    const reader = new SlowReader(world, "", 5);
    for (let i = 0; i < 50; i++) await world.write(`k${i}`, LARGE);
    world.floor = 2;
    await world.timers.pass(60_000);
    expect([reader.isEnded, world.hub.topics.heldBytes]).toEqual([true, 0]);
  });

  it.each([
    ["get", 1_000_000],
    ["scan", 1_000],
  ] as const)("are ended, and nothing else, when the store fails to %s", async (call, logMaxBytes) => {
    const world = new World({ logMaxBytes, maxHeldBytes: 100_000 });
    const readers = [1, 2].map(() => new SlowReader(world, "a", 5));
    const other = new SlowReader(world, "b", 5);
    for (let i = 0; i < 50; i++) await world.write(`a${i}`, LARGE);
    const time = await world.write("b", LARGE);
    world.store[call] = () => {
      throw new Error("cannot be read");
    };
    await world.timers.pass(60_000);
    expect([...readers.map(({ isEnded }) => isEnded), other.isEnded]).toEqual([true, true, false]);
    expect(other.times).toEqual([time]);
  });

  it("get cursors on the way that claim what was told and no more", async () => {
    const world = new World(ROOMY);
    const reader = new SlowReader(world, "", 20);
    for (let i = 0; i < 30; i++) await world.write(`k${i}`, LARGE);
    await world.timers.pass(100);
    const told = reader.times.length;
    expect(told).toBeGreaterThan(2);
    expect(told).toBeLessThan(30);
    expect(reader.cursors).toHaveLength(new Set(reader.cursors).size);
    const [, , , sequence] = reader.cursors.at(-1)?.split(",") ?? [];
    expect(Number.parseInt(sequence ?? "", 36)).toBe(told);
    // Nothing of what was written then had been told when the newest one was made.
    expect(reader.cursors.at(-1)).toContain(`,${TABLE},1,0-${SELF}`);
  });
});

describe("who comes while much waits", () => {
  it("is told of what happens from then on, and not of what it knows already", async () => {
    const world = new World(ROOMY);
    const first = new SlowReader(world, "", 20);
    const before = [await world.write("a", LARGE), await world.write("a", undefined)];
    const second = new SlowReader(world, "", 20);
    const after = [await world.write("b", LARGE), await world.write("c", LARGE)];
    await world.timers.pass(10_000);
    expect(first.times).toEqual([...before, ...after]);
    expect(second.times).toEqual(after);
  });

  it("while the records are looked at for others is not put back to what these have found", async () => {
    const world = new World({ logMaxBytes: 20_000, maxHeldBytes: 100_000 });
    const first = new SlowReader(world, "", 60);
    await world.write("a", LARGE);
    for (let i = 0; i < 1_000; i++) await world.write(`k${i % 300}`, LARGE);
    while (world.hub.counts.overruns === 0) await world.timers.pass(1);
    await rest();
    await world.write("a", LARGE);
    const second = new SlowReader(world, "", 60);
    for (const [key, known] of world.state("")) second.known.set(key, known);
    await world.timers.pass(60_000);
    for (const { known } of [first, second]) expect(known).toEqual(world.state(""));
  });

  it("and waits for one answer is woken in its turn, by what it asks for", async () => {
    const world = new World(ROOMY);
    new SlowReader(world, "", 30);
    for (let i = 0; i < 100; i++) await world.write("k", LARGE);
    const woken: string[] = [];
    const wait = (key: string, isPrefix: boolean): Waiter => {
      const waiter = new Waiter({ key, isPrefix }, () => woken.push(`${key} ${isPrefix}`));
      world.hub.wait(waiter);
      return waiter;
    };
    const waiters = [wait("k", false), wait("k", true), wait("k/1", false), wait("other", true)];
    const end = world.hub.log.end;
    await world.write("k/1", LARGE);
    await world.timers.pass(2 * 30 * (1 + REST_FACTOR));
    expect(woken.sort()).toEqual(["k true", "k/1 false"]);
    expect(waiters.map(({ since }) => since)).toEqual([undefined, end, end, undefined]);
    expect(world.hub.topics.lag).toBeGreaterThan(50);
    await rest();
  });
});
