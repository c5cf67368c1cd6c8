/** Readers that take their backlog so slowly that what they had to hear of is purged meanwhile. */
import { applyWrite, boundClaims, isLive, type Sibling, type WatchCursor, winner } from "@hearsay/core";
import { expect, it } from "vitest";
import { HeldTimers } from "../testing/held-timers.ts";
import { MemoryStore } from "../testing/memory-store.ts";
import { Backlog, type Part } from "./backlog.ts";
import { WatchHub } from "./hub.ts";

const SELF = "n1~0123456789";
const OTHER = "n2~0123456789";
const TABLE = "0123456789abcdef";
const NOW_MS = 1_000_000;
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A node that claims, and forgets, what the test says. */
class World {
  readonly store: MemoryStore = new MemoryStore();
  readonly hub: WatchHub;
  floor = 0;
  base = 0;
  time = 0;

  constructor(logMaxBytes: number) {
    this.hub = new WatchHub(
      {
        store: this.store,
        clock: { nowMs: () => NOW_MS },
        timers: new HeldTimers(),
        log,
        self: SELF,
        cluster: "0123456789ab",
        knownThrough: 0,
        standing: (ownThrough) => ({
          isCaughtUp: true,
          claims: boundClaims({ table: TABLE, base: this.base, entries: new Map([[SELF, ownThrough]]) }),
          table: TABLE,
          floor: this.floor,
        }),
      },
      { maxWatchers: 10, maxScans: 1, logMaxBytes, maxHeldBytes: 1_000_000 },
    );
  }

  async write(key: string, kind: "value" | "tombstone"): Promise<void> {
    this.time += 1;
    const version = { time: this.time, node: SELF };
    const value = { bytes: new Uint8Array(1), contentType: "", expiresAtMs: null };
    const sibling: Sibling = kind === "value" ? { kind, version, ...value } : { kind, version };
    await this.store.put(key, applyWrite(this.store.latest(key), sibling, undefined));
  }

  /** As once the watermark has passed it and the retention is over. */
  async forget(key: string): Promise<void> {
    this.base = this.time;
    this.floor = this.time;
    await this.store.remove(key);
  }

  state(): string[] {
    const live = [...this.store.committed].filter(([, record]) => isLive(winner(record), NOW_MS));
    return live.map(([key]) => key).sort();
  }
}

/** What it holds, by what it was told. */
class Reader {
  readonly keys: Set<string> = new Set();
  resets = 0;

  hear(part: Part): void {
    if (typeof part === "string") {
      this.resets += 1;
      this.keys.clear();
    } else for (const { key, kind } of part) this.keys[kind === "put" ? "add" : "delete"](key);
  }

  /** @param meanwhile after the first part, which may be empty */
  async read({ hub }: World, since: WatchCursor | undefined, meanwhile: () => Promise<void>): Promise<void> {
    const backlog = new Backlog(hub, "");
    let isFirst = true;
    const hear = async (part: Part): Promise<void> => {
      this.hear(part);
      if (isFirst) await meanwhile();
      isFirst = false;
    };
    for await (const part of backlog.stored(since)) await hear(part);
    for (let changes = backlog.take(); changes?.length !== 0; changes = backlog.take()) {
      if (changes !== undefined) await hear(changes);
      else for await (const part of backlog.again()) await hear(part);
    }
  }
}

const SMALL = 1;
const ROOMY = 1_000_000;

async function world(logMaxBytes: number): Promise<World> {
  const made = new World(logMaxBytes);
  for (let i = 0; i < 300; i++) await made.write(`k${i}`, "value");
  made.base = made.time;
  return made;
}

it.each([
  ["this node", SELF],
  ["another one", OTHER],
])("begin anew behind a cursor of %s when a deletion was purged during the look", async (_, issuer) => {
  const here = await world(SMALL);
  const reader = new Reader();
  await reader.read(here, undefined, async () => undefined);
  const { cursor } = here.hub.moment();
  await here.write("k299", "tombstone");
  await here.write("k0", "value");
  await reader.read(here, { ...cursor, issuer }, () => here.forget("k299"));
  expect([reader.resets, [...reader.keys].sort()]).toEqual([1, here.state()]);
});

it("begin anew when the log behind their cursor was overrun and deletions in it were purged", async () => {
  const here = await world(20_000);
  const reader = new Reader();
  await reader.read(here, undefined, async () => undefined);
  const { cursor } = here.hub.moment();
  await here.write("k0", "value");
  await reader.read(here, cursor, async () => {
    await here.write("k1", "tombstone");
    for (let i = 0; i < 300; i++) await here.write("k2", "value");
    await here.forget("k1");
  });
  expect([reader.resets, [...reader.keys].sort()]).toEqual([1, here.state()]);
});

it("begin anew without a cursor, too, when the log was overrun and a deletion in it was purged", async () => {
  const here = await world(SMALL);
  const reader = new Reader();
  await reader.read(here, undefined, async () => {
    await here.write("k0", "tombstone");
    await here.write("k1", "value");
    await here.forget("k0");
  });
  expect([reader.resets, [...reader.keys].sort()]).toEqual([1, here.state()]);
});

it("begin anew when values that had expired were purged while they heard of them", async () => {
  const here = await world(ROOMY);
  const { cursor } = here.hub.moment();
  const reader = new Reader();
  for await (const part of new Backlog(here.hub, "").stored(undefined)) reader.hear(part);
  here.store.gravesBetween = async function* () {
    here.floor = cursor.expiredThroughMs * 2 ** 20;
    yield [];
  };
  await reader.read(here, cursor, async () => undefined);
  expect(reader.resets).toBe(1);
});

it("go on when the log has what was purged, or nothing that they had to hear of was", async () => {
  const here = await world(ROOMY);
  const reader = new Reader();
  await reader.read(here, undefined, async () => {
    await here.write("k0", "tombstone");
    await here.forget("k0");
  });
  const { cursor } = here.hub.moment();
  await here.write("k1", "tombstone");
  await reader.read(here, cursor, () => here.forget("k1"));
  expect([reader.resets, [...reader.keys].sort()]).toEqual([0, here.state()]);
});

it("are told behind their cursor of an older version that counts again, as a newer one beside it was none", async () => {
  const here = await world(ROOMY);
  const [older] = here.store.committed.get("k0")?.siblings ?? [];
  if (older === undefined) throw new Error("it was written");
  await here.write("k0", "tombstone");
  here.base = here.time;
  const { cursor } = here.hub.moment();
  await here.store.put("k0", applyWrite(undefined, older, undefined));
  const reader = new Reader();
  await reader.read(here, cursor, async () => undefined);
  expect([...reader.keys]).toEqual(["k0"]);
});

it("go on, however often the log is overrun, where the node forgets nothing meanwhile", async () => {
  const here = await world(SMALL);
  here.base = 0;
  here.floor = here.time;
  const reader = new Reader();
  await reader.read(here, undefined, async () => {
    await here.write("k0", "tombstone");
    await here.write("k1", "value");
  });
  expect([here.hub.counts.scans, reader.resets, [...reader.keys].sort()]).toEqual([2, 0, here.state()]);
});
