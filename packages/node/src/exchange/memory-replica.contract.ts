/** A replica in memory: a real node, keeper and ghost rule on a store without a disk, with naive digests. */
import {
  type CountedMembers,
  decodeUtf8,
  encodeUtf8,
  formatVersion,
  type HlcTime,
  type KeyRecord,
  type NodeId,
  purgeableFrom,
  type Sibling,
  TREE_ARITY,
  TREE_DEPTH,
  WALK_HASH_BYTES,
} from "@hearsay/core";
import { CompletenessKeeper } from "../cluster/completeness-keeper.ts";
import { EventLog } from "../cluster/event-log.contract.ts";
import { LocalReplica } from "../cluster/local-replica.ts";
import type { DigestStore, GhostKeeping, Graveyard, ListedRecord } from "../cluster/ports.ts";
import type { Company, Incarnation } from "../cluster/stored-completeness.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { Node } from "../node.ts";
import { RepeatLog } from "../repeat-log.ts";
import { sameBytes } from "./session.ts";

const BUCKETS = TREE_ARITY ** TREE_DEPTH;

/** Hexadecimal digits that depend on the text and on which of several hashes is wanted (FNV-1a and a finish). */
export function digitsOf(text: string, which: number, digits: number): string {
  let result = "";
  for (let part = 0; result.length < digits; part++) {
    let hash = (0x811c9dc5 ^ (which * 0x9e3779b9 + part * 0x85ebca6b)) >>> 0;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
    result += (hash ^ (hash >>> 13)).toString(16).replace("-", "").padStart(8, "0");
  }
  return result.slice(0, digits);
}

function digestOf(key: string, record: KeyRecord): string {
  return digitsOf(`${key} ${record.siblings.map(({ version }) => formatVersion(version)).join(" ")}`, 1, 16);
}

class MemoryDigests implements DigestStore {
  readonly #store: MemoryStore;
  /** All keys fall into so many buckets, so that some share one. */
  readonly #buckets: number;
  readonly #bucketOf: Map<string, number> = new Map();
  /** As of the last root, which is all that the tree shows. */
  #shown: ReadonlyMap<string, KeyRecord> = new Map();

  constructor(store: MemoryStore, buckets: number) {
    this.#store = store;
    this.#buckets = buckets;
  }

  bucketOf(key: string): number {
    const known = this.#bucketOf.get(key);
    if (known !== undefined) return known;
    const spread = Number.parseInt(digitsOf(key, 2, 8), 16) % this.#buckets;
    const bucket = Math.floor((spread * BUCKETS) / this.#buckets);
    this.#bucketOf.set(key, bucket);
    return bucket;
  }

  async root(): Promise<string> {
    this.#shown = new Map(this.#store.committed.records);
    return digitsOf(this.#subtree(0, BUCKETS), 3, 64);
  }

  children(level: number, index: number): Uint8Array {
    const width = BUCKETS / TREE_ARITY ** (level + 1);
    const bytes = new Uint8Array(TREE_ARITY * WALK_HASH_BYTES);
    for (let child = 0; child < TREE_ARITY; child++) {
      const from = (index * TREE_ARITY + child) * width;
      const hash = digitsOf(this.#subtree(from, from + width), 3, 2 * WALK_HASH_BYTES);
      for (let i = 0; i < WALK_HASH_BYTES; i++) {
        bytes[child * WALK_HASH_BYTES + i] = Number.parseInt(hash.slice(2 * i, 2 * i + 2), 16);
      }
    }
    return bytes;
  }

  async listBucket(bucket: number): Promise<readonly ListedRecord[]> {
    return [...this.#store.committed.records]
      .filter(([key]) => this.bucketOf(key) === bucket)
      .map(([key, record]) => ({
        key,
        keyHash: digitsOf(key, 4, 12),
        digest: digestOf(key, record),
        time: record.siblings[0].version.time,
      }));
  }

  #subtree(from: number, to: number): string {
    const digests: string[] = [];
    for (const [key, record] of this.#shown) {
      const bucket = this.bucketOf(key);
      if (bucket >= from && bucket < to) digests.push(digestOf(key, record));
    }
    return digests.sort().join();
  }
}

export class MemoryGraveyard implements Graveyard {
  readonly ghosts: { readonly key: string; readonly sibling: Sibling; readonly why: string }[] = [];
  /** Floors purged to, in order. */
  readonly floors: HlcTime[] = [];
  /** What was asked to be forgotten of damaged records. */
  readonly drops: { readonly floor: HlcTime; readonly unreadableAt: HlcTime; readonly limit: number }[] = [];
  /** Ghosts for which there is room. */
  room = 100;
  failNext = false;
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async purge(floor: HlcTime): Promise<{ readonly purged: number; readonly more: boolean }> {
    if (this.failNext) {
      this.failNext = false;
      throw new Error("disk full");
    }
    this.floors.push(floor);
    let purged = 0;
    for (const [key, record] of this.#store.committed.records) {
      const from = purgeableFrom(record);
      if (from === undefined || from > floor) continue;
      this.#store.committed.records.delete(key);
      purged += 1;
    }
    return { purged, more: false };
  }

  async remove(key: string): Promise<void> {
    // What was put before is committed by then, as in a real store.
    await Promise.resolve();
    await Promise.resolve();
    this.#store.committed.records.delete(key);
  }

  async dropDamaged(floor: HlcTime, unreadableAt: HlcTime, limit: number): Promise<readonly string[]> {
    this.drops.push({ floor, unreadableAt, limit });
    return [];
  }

  async quarantine(key: string, sibling: Sibling, { why }: GhostKeeping): Promise<boolean> {
    if (this.ghosts.length >= this.room) return false;
    this.ghosts.push({ key, sibling, why });
    return true;
  }
}

export interface ReplicaOptions {
  readonly name: string;
  readonly store?: MemoryStore;
  readonly retention?: HlcTime;
  readonly incarnation?: Incarnation;
  /** Of itself it founds a cluster, and is complete. */
  readonly company?: Company;
  /** The table of an earlier run names others. */
  readonly knowsOthers?: boolean;
  /** Buckets into which all keys fall. */
  readonly buckets?: number;
  readonly nowMs?: () => number;
}

export const START_MS = 1_900_000_000_000;
export const MAX_DRIFT_MS = 10_000;

export class MemoryReplica {
  readonly store: MemoryStore;
  readonly node: Node;
  readonly graveyard: MemoryGraveyard;
  readonly digests: MemoryDigests;
  readonly keeper: CompletenessKeeper;
  readonly replica: LocalReplica;
  readonly log: EventLog;
  /** The members it counts; tests change it. */
  counted: CountedMembers;
  staying = true;

  private constructor(options: ReplicaOptions, store: MemoryStore, node: Node, log: EventLog) {
    this.store = store;
    this.node = node;
    this.log = log;
    this.graveyard = new MemoryGraveyard(store);
    this.digests = new MemoryDigests(store, options.buckets ?? 64);
    this.counted = { ids: [node.id], tableHash: "0".repeat(16) };
    const beginning = {
      incarnation: options.incarnation ?? "same",
      company: options.company ?? "nobody",
      knowsOthers: options.knowsOthers ?? false,
    };
    this.keeper = new CompletenessKeeper(node.id, options.retention ?? 0, beginning, {
      meta: store.meta,
      graveyard: this.graveyard,
      log,
      troubles: new RepeatLog(log, 0, () => 0),
      counted: () => this.counted,
      flush: () => store.meta.put("flush", new Uint8Array()),
      tick: () => node.tick(),
      ownTime: () => node.ownTime(),
      observe: (time) => node.observe(time),
    });
    this.replica = new LocalReplica({
      node,
      store,
      digests: this.digests,
      graveyard: this.graveyard,
      keeper: this.keeper,
      clock: { nowMs: options.nowMs ?? (() => START_MS) },
      log,
      metrics: log,
      flush: () => store.meta.put("flush", new Uint8Array()),
      tableHash: () => this.counted.tableHash,
      staying: () => this.staying,
    });
  }

  static async open(options: ReplicaOptions): Promise<MemoryReplica> {
    const store = options.store ?? new MemoryStore();
    const log = new EventLog();
    let draws = 0;
    const node = await Node.open(
      {
        clock: { nowMs: options.nowMs ?? (() => START_MS) },
        random: { next: () => (draws++ * 0.618) % 1 },
        store,
        log,
        metrics: log,
      },
      {
        name: options.name,
        fallbackName: options.name,
        cluster: "test",
        clockMaxDriftMs: MAX_DRIFT_MS,
        conflicts: { maxSiblings: 32, policies: new Map() },
        doubt: false,
        maxWaiters: 10,
      },
    );
    return new MemoryReplica(options, store, node, log);
  }

  get id(): NodeId {
    return this.node.id;
  }

  /** A value, or a deletion where the text is undefined. */
  async write(key: string, text: string | undefined): Promise<void> {
    const written = this.node.write(
      key,
      text === undefined
        ? { kind: "tombstone" }
        : { kind: "value", bytes: encodeUtf8(text), contentType: "text/plain", ttlMs: null },
      undefined,
    );
    if ("code" in written) throw new Error(written.code);
    await written.committed;
  }

  /** All siblings of all keys, comparable between replicas. */
  contents(): ReadonlyMap<string, readonly string[]> {
    const entries = [...this.store.committed.records].map(([key, { siblings }]) => {
      const texts = siblings.map((sibling) =>
        sibling.kind === "value"
          ? `${formatVersion(sibling.version)} ${decodeUtf8(sibling.bytes)}`
          : `${formatVersion(sibling.version)} deleted`,
      );
      return [key, texts] as const;
    });
    return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async hasRootOf(other: MemoryReplica): Promise<boolean> {
    const [own, theirs] = await Promise.all([this.digests.root(), other.digests.root()]);
    return sameBytes(encodeUtf8(own), encodeUtf8(theirs));
  }
}

/** Makes these replicas count one another. */
export function meet(...replicas: readonly MemoryReplica[]): void {
  const ids = replicas.map(({ id }) => id).sort();
  for (const replica of replicas) replica.counted = { ids, tableHash: digitsOf(ids.join(), 5, 16) };
}
