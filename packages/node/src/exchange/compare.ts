/**
 * A dry run of an exchange: finds which keys differ between two replicas and which side is newer, and merges nothing.
 *
 * It walks down as an exchange does, but offers nothing to conclude from and a floor of 0, so that the peer neither
 * purges nor claims anything because of it. Records are fetched only where listings do not tell: keys this node lacks,
 * and keys whose newest versions fall into one unit of a listing's time.
 *
 * Bound: at most `limit` keys are named, and records fetched for no others; the rest is only counted.
 */
import {
  type BucketEntry,
  type BucketWant,
  compareBucket,
  decodeBucketEntries,
  type ExchangeDiffers,
  fromHex,
  type HlcTime,
  isChildHashes,
  type KeyedRecord,
  type KeyRecord,
  MerkleWalk,
  purgeableFrom,
  type Standing,
  winner,
} from "@hearsay/core";
import type { ListedRecord } from "../cluster/ports.ts";
import { PeerFault } from "../peer-fault.ts";
import type { AskPeer } from "./ask.ts";
import type { ExchangeReplica } from "./replica.ts";
import { differInSiblings, type ExchangeLimits } from "./session.ts";

/** Times are those of the newest versions, at least to 4 ms; null where a side holds nothing of the key. */
export interface KeyDifference {
  readonly key: string;
  readonly here: HlcTime | null;
  readonly there: HlcTime | null;
}

export interface Comparison {
  /** Keys that differ, as far as listings tell; writes on their way count. */
  readonly keys: number;
  /** The first of them, in no order. */
  readonly differences: readonly KeyDifference[];
}

export interface ComparePorts {
  readonly session: number;
  readonly ask: AskPeer;
  readonly limit: number;
}

/**
 * @returns undefined when member tables have to be exchanged first
 * @throws PeerFault when the peer breaks it off, or answers what it may not
 */
export async function compareReplicas(
  replica: ExchangeReplica,
  limits: ExchangeLimits,
  ports: ComparePorts,
): Promise<Comparison | undefined> {
  const started = await ports.ask({
    kind: "exchange-start",
    session: ports.session,
    tableHash: replica.tableHash(),
    standing: NOWHERE,
    offer: { time: 0, vector: new Map() },
    root: fromHex(await replica.digests.root()),
  });
  switch (started.kind) {
    case "exchange-tables-differ":
      return undefined;
    case "exchange-equal":
      return { keys: 0, differences: [] };
    case "exchange-differs":
      return await new Comparing(replica, limits, ports, started.standing.floor).run(started);
    default:
      throw new PeerFault({ code: "exchange_broken", what: started.kind });
  }
}

class Comparing {
  readonly #replica: ExchangeReplica;
  readonly #limits: ExchangeLimits;
  readonly #ports: ComparePorts;
  /** What may go at this floor is about to, on both sides, and is no difference. */
  readonly #floor: HlcTime;
  readonly #differences: KeyDifference[] = [];
  readonly #unnamed: Map<number, string[]> = new Map();
  #unnamedCount = 0;
  #keys = 0;

  constructor(replica: ExchangeReplica, limits: ExchangeLimits, ports: ComparePorts, peerFloor: HlcTime) {
    this.#replica = replica;
    this.#limits = limits;
    this.#ports = ports;
    this.#floor = Math.max(peerFloor, replica.standing().floor);
  }

  async run({ children }: ExchangeDiffers): Promise<Comparison> {
    const { ask, session } = this.#ports;
    if (!isChildHashes(children)) throw new PeerFault({ code: "bad_message", what: "child hashes" });
    const walk = new MerkleWalk(this.#replica.digests, children);
    for (let compare = walk.next(); compare !== undefined; compare = walk.next()) {
      const compared = await ask({ kind: "exchange-compare", session, compare });
      await this.#replica.digests.root();
      if (compared.kind !== "exchange-compared" || !walk.absorb(compared.reply)) {
        throw new PeerFault({ code: "exchange_broken", what: compared.kind });
      }
      for (const { bucket, entries } of compared.reply.buckets) await this.#compareBucket(bucket, entries);
    }
    await this.#fetchUnnamed();
    return { keys: this.#keys, differences: this.#differences };
  }

  async #compareBucket(bucket: number, entries: Uint8Array): Promise<void> {
    const theirs = decodeBucketEntries(entries);
    if (theirs === undefined) throw new PeerFault({ code: "bad_message", what: "bucket entries" });
    const listed = await this.#replica.digests.listBucket(bucket);
    const hashesThere = new Set(theirs.map(({ keyHash }) => keyHash));
    const ours = listed.filter(({ key, keyHash }) => hashesThere.has(keyHash) || !this.#mayGo(key));
    const { push, want } = compareBucket(ours, theirs);
    const differing = new Set([...push.flatMap((position) => ours[position]?.keyHash ?? []), ...want]);
    for (const keyHash of differing) {
      const here = ours.filter((entry) => entry.keyHash === keyHash);
      const there = theirs.filter((entry) => entry.keyHash === keyHash);
      this.#keys += Math.max(here.length, there.length);
      this.#note(bucket, keyHash, here, there);
    }
  }

  #note(bucket: number, keyHash: string, here: readonly ListedRecord[], there: readonly BucketEntry[]): void {
    if (this.#differences.length + this.#unnamedCount >= this.#ports.limit) return;
    const [own] = here;
    const [other] = there;
    if (own !== undefined && here.length === 1 && there.length <= 1) {
      const isTold = other === undefined || Math.abs(own.time - other.time) >= LISTED_TIME_UNIT;
      if (isTold) {
        this.#differences.push({ key: own.key, here: own.time, there: other?.time ?? null });
        return;
      }
    }
    const hashes = this.#unnamed.get(bucket);
    if (hashes === undefined) this.#unnamed.set(bucket, [keyHash]);
    else hashes.push(keyHash);
    this.#unnamedCount += 1;
  }

  /** The last request closes the session at the peer, which would otherwise keep it until it is idle for long. */
  async #fetchUnnamed(): Promise<void> {
    let wants: BucketWant[] = [...this.#unnamed].map(([bucket, keyHashes]) => ({ bucket, keyHashes }));
    for (let transfers = 0; ; transfers++) {
      if (transfers > this.#limits.maxTransfers)
        throw new PeerFault({ code: "exchange_broken", what: "no end" });
      const final = wants.length === 0;
      const asked = wants.splice(0, BUCKETS_PER_FETCH);
      const reply = await this.#ports.ask({
        kind: "exchange-transfer",
        session: this.#ports.session,
        standing: NOWHERE,
        records: [],
        wants: asked,
        refused: [],
        final,
      });
      if (reply.kind !== "exchange-transferred") {
        throw new PeerFault({ code: "exchange_broken", what: reply.kind });
      }
      if (final) return;
      if (reply.records.length === 0 && reply.leftOut.length >= asked.length) {
        throw new PeerFault({ code: "exchange_broken", what: "nothing was sent" });
      }
      for (const keyed of reply.records) this.#name(keyed);
      wants = [...wantedOf(reply.leftOut, asked), ...wants];
    }
  }

  #name({ key, record }: KeyedRecord): void {
    const held = this.#replica.get(key);
    const isSame = held !== undefined && !differInSiblings(held, record);
    const purgeable = purgeableFrom(record);
    if (isSame || (held === undefined && purgeable !== undefined && purgeable <= this.#floor)) {
      this.#keys -= 1;
      return;
    }
    if (this.#differences.length >= this.#ports.limit) return;
    this.#differences.push({ key, here: newestOf(held), there: newestOf(record) });
  }

  #mayGo(key: string): boolean {
    const record = this.#replica.get(key);
    const purgeable = record === undefined ? undefined : purgeableFrom(record);
    return purgeable !== undefined && purgeable <= this.#floor;
  }
}

/** From this the peer adopts no floor, and draws no conclusion. */
const NOWHERE: Standing = { floor: 0, complete: false };
/** Listed times are whole units of 4 ms. */
const LISTED_TIME_UNIT: HlcTime = 2 ** 13;
const BUCKETS_PER_FETCH = 256;

function newestOf(record: KeyRecord | undefined): HlcTime | null {
  return record === undefined ? null : winner(record).version.time;
}

/** What of it was asked for. A peer may say that it has left out anything. */
function wantedOf(leftOut: readonly BucketWant[], asked: readonly BucketWant[]): BucketWant[] {
  const all = new Set(
    leftOut.flatMap(({ bucket, keyHashes }) => keyHashes.map((hash) => `${bucket} ${hash}`)),
  );
  return asked
    .map(({ bucket, keyHashes }) => ({
      bucket,
      keyHashes: keyHashes.filter((hash) => all.has(`${bucket} ${hash}`)),
    }))
    .filter(({ keyHashes }) => keyHashes.length > 0);
}
