/** What watchers are told of values that expire, also where the clock is set forward and back. */
import type { WatchBatch } from "@hearsay/api";
import { applyWrite, type HlcTime, hlcFromMs, isLive, NO_CLAIMS, parseCursor, winner } from "@hearsay/core";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { harness } from "../testing/harness.ts";
import { HeldTimers, rest } from "../testing/held-timers.ts";
import { MemoryStore } from "../testing/memory-store.ts";
import { Backlog, type Part } from "./backlog.ts";
import { TICK_MS, WatchHub } from "./hub.ts";

const SELF = "n1~0123456789";
const START_MS = 1_000_000;
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

class World {
  readonly timers: HeldTimers = new HeldTimers();
  readonly store: MemoryStore = new MemoryStore();
  readonly hub: WatchHub;
  /** How far the clock has been set forward. */
  shiftMs = 0;
  #time = 0;

  constructor(logMaxBytes = 100_000) {
    this.hub = new WatchHub(
      {
        store: this.store,
        clock: { nowMs: () => this.nowMs() },
        timers: this.timers,
        log,
        self: SELF,
        cluster: "0123456789ab",
        knownThrough: 0,
        standing: () => ({ isCaughtUp: true, claims: NO_CLAIMS, table: "", floor: 0 }),
      },
      { maxWatchers: 10, logMaxBytes, maxHeldBytes: 100_000, maxScans: 1 },
    );
  }

  nowMs(): number {
    return START_MS + this.timers.monotonicMs() + this.shiftMs;
  }

  /** @param notBefore the version is later */
  async write(key: string, ttlMs: number, notBefore: HlcTime = 0): Promise<void> {
    this.#time = Math.max(this.#time, notBefore) + 1;
    const version = { time: this.#time, node: SELF };
    const expiresAtMs = this.nowMs() + ttlMs;
    const value = { kind: "value", version, bytes: new Uint8Array(1), contentType: "", expiresAtMs } as const;
    await this.store.put(key, applyWrite(this.store.latest(key), value, undefined));
  }

  /** The keys that had a value when the hub looked last. */
  there(): string[] {
    const { throughMs } = this.hub.expiries;
    const found = [...this.store.committed].filter(([, record]) => isLive(winner(record), throughMs));
    return found.map(([key]) => key).sort();
  }
}

/** Knows which keys are there from what it is told. */
class Reader {
  readonly told: string[] = [];
  readonly #hub: WatchHub;
  readonly #known: Set<string> = new Set();
  #cursor: string | undefined;
  #leave: (() => void)[] = [];

  constructor({ hub }: World) {
    this.#hub = hub;
  }

  async come(): Promise<void> {
    if (this.#leave.length > 0) return;
    this.#leave.push(this.#hub.enter() ?? (() => undefined));
    const backlog = new Backlog(this.#hub, "");
    const since = this.#cursor === undefined ? undefined : parseCursor(this.#cursor);
    for await (const changes of backlog.stored(since)) this.#note(changes);
    for (let changes = backlog.take(); changes?.length !== 0; changes = backlog.take()) {
      if (changes !== undefined) this.#note(changes);
      else for await (const part of backlog.again()) this.#note(part);
    }
    this.#leave.push(
      this.#hub.join("", {
        deliver: ({ changes, cursor }) => {
          this.#note(changes);
          this.#cursor = cursor?.text ?? this.#cursor;
        },
        tick: (now) => {
          this.#cursor = now?.().text ?? this.#cursor;
        },
        end: () => undefined,
      }),
    );
    this.#cursor = this.#hub.moment().text;
  }

  leave(): void {
    for (const leave of this.#leave.reverse()) leave();
    this.#leave = [];
  }

  known(): string[] {
    return [...this.#known].sort();
  }

  #note(changes: Part): void {
    // A reset: all that is there follows.
    if (typeof changes === "string") {
      this.#known.clear();
      return;
    }
    for (const { key, kind } of changes) {
      this.told.push(`${kind} ${key}`);
      if (kind === "put") this.#known.add(key);
      else this.#known.delete(key);
    }
  }
}

describe("a reader", () => {
  let world: World;
  let reader: Reader;
  beforeEach(async () => {
    world = new World();
    reader = new Reader(world);
    await reader.come();
  });

  it("hears once that a value has expired", async () => {
    await world.write("a", 1_700);
    await world.timers.pass(10_000);
    expect(reader.told).toEqual(["put a", "delete a"]);
  });

  it("hears of values that expire after the clock was set back", async () => {
    world.shiftMs = -60_000;
    await world.write("at once", 100);
    await world.timers.pass(TICK_MS);
    await world.write("later", 2_000);
    await world.timers.pass(5_000);
    expect(reader.told).toEqual(["put at once", "delete at once", "put later", "delete later"]);
  });

  it("hears of one that ends before its version's time when the clock has come to that", async () => {
    await world.write("a", 2_000, hlcFromMs(world.nowMs() + 60_000));
    await world.timers.pass(59_000);
    expect(reader.told).toEqual(["put a"]);
    await world.timers.pass(2_000);
    expect(reader.told).toEqual(["put a", "delete a"]);
  });

  it("hears it also when it comes back with a cursor from right after that", async () => {
    world.shiftMs = -60_000;
    await world.write("a", 300);
    await world.timers.pass(50);
    reader.leave();
    expect(reader.known()).toEqual(["a"]);
    await world.timers.pass(5_000);
    await reader.come();
    expect(reader.known()).toEqual([]);
  });

  it("hears it also with one from after the clock was set right again", async () => {
    world.shiftMs = -60_000;
    await world.write("a", 300);
    await world.timers.pass(50);
    world.shiftMs = 0;
    await world.write("b", 60_000);
    await world.timers.pass(50);
    reader.leave();
    expect(reader.known()).toEqual(["a", "b"]);
    await reader.come();
    expect(reader.known()).toEqual(["b"]);
  });

  it("hears that a value is there again which had expired by a clock that was ahead", async () => {
    await world.write("a", 15_000);
    world.shiftMs = 60_000;
    await world.timers.pass(2_000);
    world.shiftMs = 0;
    await world.timers.pass(2_000);
    expect(reader.told).toEqual(["put a", "delete a", "put a"]);
    await world.timers.pass(60_000);
    expect(reader.told.slice(3)).toEqual(["delete a"]);
  });
});

type Step =
  | { readonly do: "write"; readonly key: string; readonly ttlMs: number }
  | { readonly do: "set clock"; readonly shiftMs: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "come" | "leave"; readonly reader: number };

const reader = fc.nat(1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("write"),
    key: fc.constantFrom("a", "b", "c"),
    ttlMs: fc.constantFrom(1, 100, 700, 3_000, 20_000, 1_000_000),
  }),
  fc.record({ do: fc.constant("set clock"), shiftMs: fc.constantFrom(0, -700, 2_000, 15_000, -15_000) }),
  fc.record({ do: fc.constant("pass"), ms: fc.constantFrom(50, 600, 4_000, 30_000) }),
  fc.record({ do: fc.constantFrom("come", "leave"), reader }),
);

it("readers end up with what is there, whenever they come and however the clock is set", async () => {
  const logs = fc.constantFrom(100, 1_000, 100_000);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), logs, async (steps, logMaxBytes) => {
      const world = new World(logMaxBytes);
      const readers = [new Reader(world), new Reader(world)];
      for (const taken of steps) {
        if (taken.do === "write") await world.write(taken.key, taken.ttlMs);
        else if (taken.do === "set clock") world.shiftMs = taken.shiftMs;
        else if (taken.do === "pass") await world.timers.pass(taken.ms);
        else if (taken.do === "come") await readers[taken.reader]?.come();
        else {
          // Its cursor says of what it was told last by when that was so.
          await world.timers.pass(TICK_MS);
          readers[taken.reader]?.leave();
        }
      }
      for (const one of readers) await one.come();
      await world.timers.pass(10 * TICK_MS);
      await rest();
      for (const one of readers) expect(one.known()).toEqual(world.there());
    }),
    { numRuns: 500 },
  );
});

it("a cursor from before the clock was set back is taken", async () => {
  const h = await harness();
  const poll = async (since: string): Promise<unknown> => {
    const { payload } = await h.app.inject({ method: "GET", url: `/watch?wait=10ms${since}` });
    return JSON.parse(payload);
  };
  try {
    h.clock.ms += 60_000;
    await h.app.inject({ method: "PUT", url: "/kv/k?ttl=1h", payload: "x" });
    const { cursor } = (await poll("")) as WatchBatch;
    h.clock.ms -= 60_000;
    expect(await poll(`&since=${cursor}`)).toMatchObject({ events: [] });
  } finally {
    await h.close();
  }
});

it("a blocking query is answered at once when its value has expired while nobody was connected", async () => {
  const h = await harness();
  const indexOf = async (query: string): Promise<[status: number, index: number]> => {
    const { statusCode, headers } = await h.app.inject({ method: "GET", url: `/v1/kv/k?stale${query}` });
    return [statusCode, Number(headers["x-consul-index"])];
  };
  try {
    for (const url of ["/kv/k?ttl=3s", "/kv/other"]) await h.app.inject({ method: "PUT", url, payload: "x" });
    const [there, index] = await indexOf("");
    h.clock.ms += 5_000;
    const [gone, after] = await indexOf(`&index=${index}&wait=10ms`);
    expect([there, gone, after > index]).toEqual([200, 404, true]);
    expect(await indexOf(`&index=${after}&wait=10ms`)).toEqual([404, after]);
  } finally {
    await h.close();
  }
});
