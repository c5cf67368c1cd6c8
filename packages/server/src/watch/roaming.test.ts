/** A reader that changes nodes at any moment, over random histories of writes, rumors and exchanges between three. */
import {
  applyWrite,
  boundClaims,
  type HlcTime,
  isLive,
  type KeyRecord,
  mergeRecords,
  type NodeId,
  parseCursor,
  type Sibling,
  winner,
} from "@hearsay/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { HeldTimers } from "../testing/held-timers.ts";
import { MemoryStore } from "../testing/memory-store.ts";
import { Backlog, type Part, voidReason } from "./backlog.ts";
import type { WatchedChange } from "./changes.ts";
import { WatchHub } from "./hub.ts";
import { SLICE_MS } from "./pace.ts";

const NAMES = ["a", "b", "c"] as const;
const TABLE = "0123456789abcdef";
const KEYS = 3;
const NOW_MS = 1_000_000;
/** So large that every change is told in a batch of its own. */
const VALUE = new Uint8Array(100_000);
/** So small that most of it has fallen out of the log when a reader comes, and readers who wait are overrun; or not. */
const LOG_BYTES = [300, 10_000] as const;
/** After so long all that waits has been told. */
const ALL_MS = 100_000;

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A replica by the rules of completeness: its vector moves with whole exchanges only. */
class Replica {
  readonly id: NodeId;
  readonly store: MemoryStore = new MemoryStore();
  readonly vector: Map<NodeId, HlcTime> = new Map();
  readonly timers: HeldTimers = new HeldTimers();
  readonly hub: WatchHub;

  constructor(name: string, world: World, logMaxBytes: number) {
    this.id = `${name}~0123456789`;
    this.hub = new WatchHub(
      {
        store: this.store,
        clock: { nowMs: () => NOW_MS },
        timers: this.timers,
        log,
        self: this.id,
        cluster: "0123456789ab",
        knownThrough: 0,
        standing: (ownThrough) => ({
          isCaughtUp: true,
          table: TABLE,
          floor: 0,
          claims: boundClaims({
            table: TABLE,
            base: world.watermark,
            entries: new Map([...this.vector, [this.id, Math.max(ownThrough, world.watermark)]]),
          }),
        }),
      },
      // So little that readers who wait fall behind.
      { maxWatchers: 10, logMaxBytes, maxHeldBytes: 350_000, maxScans: 1 },
    );
  }

  async merge(key: string, record: KeyRecord): Promise<void> {
    const held = this.store.latest(key);
    const merged = held === undefined ? record : mergeRecords(held, record);
    if (merged !== held) await this.store.put(key, merged);
  }
}

class World {
  readonly replicas: readonly Replica[];
  #time: HlcTime = 1;
  watermark: HlcTime = 0;

  constructor(logMaxBytes: number) {
    this.replicas = NAMES.map((name) => new Replica(name, this, logMaxBytes));
  }

  at(index: number): Replica {
    const replica = this.replicas[index % this.replicas.length];
    if (replica === undefined) throw new Error("there are three");
    return replica;
  }

  async write(index: number, key: string, isDelete: boolean): Promise<void> {
    const replica = this.at(index);
    this.#time += 1;
    const version = { time: this.#time, node: replica.id };
    const sibling: Sibling = isDelete
      ? { kind: "tombstone", version }
      : { kind: "value", version, bytes: VALUE, contentType: "", expiresAtMs: null };
    await replica.store.put(key, applyWrite(replica.store.latest(key), sibling, undefined));
  }

  async rumor(from: number, to: number, key: string): Promise<void> {
    const record = this.at(from).store.get(key);
    if (record !== undefined) await this.at(to).merge(key, record);
  }

  /** The second takes all that the first has. */
  async exchange(from: number, to: number): Promise<void> {
    const [source, target] = [this.at(from), this.at(to)];
    if (source === target) return;
    this.#time += 1;
    const offered = new Map(source.vector).set(source.id, this.#time);
    for (const [key, record] of [...source.store.committed]) await target.merge(key, record);
    for (const [id, time] of offered) {
      if (id !== target.id) target.vector.set(id, Math.max(time, target.vector.get(id) ?? 0));
    }
    let least = this.#time;
    for (const { id, vector } of this.replicas) {
      for (const other of this.replicas) {
        if (other.id !== id) least = Math.min(least, vector.get(other.id) ?? 0);
      }
    }
    this.watermark = Math.max(this.watermark, least);
  }
}

/** Knows of each key its version, and whether it is deleted, by what it was told. */
class Roamer {
  readonly known: Map<string, string> = new Map();
  #cursor: string | undefined;
  #replica: Replica | undefined;
  #leave: (() => void) | undefined;

  /** @param meanwhile happens while the backlog is told */
  async goTo(replica: Replica, meanwhile: () => Promise<void>): Promise<void> {
    const { hub, timers } = replica;
    this.leave();
    const since = this.#cursor === undefined ? undefined : parseCursor(this.#cursor);
    expect(since === undefined || voidReason(hub, since, () => true) === undefined).toBe(true);
    const backlog = new Backlog(hub, "");
    await this.#hear(backlog.stored(since));
    const before = backlog.take();
    if (before !== undefined) this.#note(before);
    await meanwhile();
    for (let changes = backlog.take(); changes?.length !== 0; changes = backlog.take()) {
      if (changes === undefined) await this.#hear(backlog.again());
      else this.#note(changes);
    }
    this.#replica = replica;
    this.#leave = hub.join("", {
      deliver: (delivery) => {
        // One in a slice.
        timers.take(SLICE_MS);
        this.#note(delivery.changes);
        this.#cursor = delivery.cursor?.text ?? this.#cursor;
      },
      tick: () => undefined,
      end: () => undefined,
    });
    this.#cursor = hub.moment().text;
  }

  /** What is under way arrives, as far as there is time. */
  async hear(ms: number): Promise<void> {
    await this.#replica?.timers.pass(ms);
  }

  /** What is under way is lost. */
  leave(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  async #hear(parts: AsyncIterable<Part>): Promise<void> {
    for await (const part of parts) {
      if (typeof part === "string") throw new Error(`void: ${part}`);
      this.#note(part);
    }
  }

  #note(changes: readonly WatchedChange[]): void {
    for (const { key, kind, version } of changes) this.known.set(key, `${kind} ${version.time}`);
  }
}

type Change =
  | { readonly do: "write" | "delete"; readonly at: number; readonly key: number }
  | { readonly do: "rumor"; readonly at: number; readonly to: number; readonly key: number }
  | { readonly do: "exchange"; readonly at: number; readonly to: number };
type Step =
  | Change
  | { readonly do: "go"; readonly at: number; readonly meanwhile: readonly Change[] }
  | { readonly do: "hear"; readonly ms: number };

const node = fc.nat(2);
const key = fc.nat(KEYS - 1);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("write", "delete"), at: node, key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("rumor"), at: node, to: node, key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("exchange"), at: node, to: node }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 11, arbitrary: change },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("go"),
      at: node,
      meanwhile: fc.array(change, { maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("hear"), ms: fc.constantFrom(1, 20, ALL_MS) }) },
);

const histories = fc.array(step, { maxLength: 60, size: "max" });

async function take(world: World, roamer: Roamer, taken: Step): Promise<void> {
  switch (taken.do) {
    case "write":
    case "delete":
      return world.write(taken.at, `key${taken.key}`, taken.do === "delete");
    case "rumor":
      return world.rumor(taken.at, taken.to, `key${taken.key}`);
    case "exchange":
      return world.exchange(taken.at, taken.to);
    case "go":
      return roamer.goTo(world.at(taken.at), async () => {
        for (const between of taken.meanwhile) await take(world, roamer, between);
      });
    case "hear":
      return roamer.hear(taken.ms);
  }
}

it("a reader that roams ends up with what all nodes hold, whatever came in whichever order", async () => {
  await fc.assert(
    fc.asyncProperty(histories, node, fc.constantFrom(...LOG_BYTES), async (steps, last, logMaxBytes) => {
      const world = new World(logMaxBytes);
      const roamer = new Roamer();
      for (const taken of steps) await take(world, roamer, taken);
      await roamer.goTo(world.at(last), async () => undefined);
      for (const round of [0, 1]) {
        for (const from of [0, 1, 2]) {
          for (const to of [0, 1, 2]) await world.exchange(from + round, to + round);
        }
      }
      await roamer.hear(ALL_MS);
      for (const [name, record] of world.at(last).store.committed) {
        const { time } = winner(record).version;
        const wanted = isLive(winner(record), NOW_MS) ? `put ${time}` : `delete ${time}`;
        // Who has never heard of a key need not be told that it is deleted.
        const known = roamer.known.get(name) ?? (wanted.startsWith("delete") ? wanted : "nothing");
        expect([name, known]).toEqual([name, wanted]);
      }
    }),
    { numRuns: 2_000 },
  );
});
