/**
 * The asking side of an exchange: compare roots, walk down into what differs, transfer both ways, conclude.
 *
 * Invariant: the conclusion (`Completeness.exchanged`) is drawn only after every record the walk found lacking
 * here was received and committed; the final transfer, which lets the peer draw its own, is sent only when this
 * side has nothing left to send, the results of its own merges and what it has refused included.
 */
import {
  ahead,
  type BucketListing,
  type BucketWant,
  compareBucket,
  decodeBucketEntries,
  type ExchangeDiffers,
  type ExchangeMore,
  type ExchangeReply,
  type ExchangeRequest,
  type ExchangeTransferred,
  fromHex,
  isChildHashes,
  MerkleWalk,
  type NodeId,
} from "@hearsay/core";
import type { ListedRecord } from "../cluster/ports.ts";
import { PeerFault } from "../peer-fault.ts";
import { Backlog } from "./backlog.ts";
import type { ExchangeOutcome, ExchangeProgress } from "./outcome.ts";
import type { ExchangeReplica } from "./replica.ts";
import {
  BUCKETS_AHEAD,
  differInSiblings,
  type ExchangeLimits,
  heldNow,
  recordBytes,
  recordToSend,
} from "./session.ts";

/** Sends a request to the peer of this exchange and gives back its reply. */
export type AskPeer = (request: ExchangeRequest) => Promise<ExchangeReply>;

export interface AskerPorts {
  readonly peer: NodeId;
  /** Unique among the sessions this node has with the peer. */
  readonly session: number;
  readonly ask: AskPeer;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Called whenever the exchange has come further. */
  readonly onProgress: (progress: ExchangeProgress) => void;
}

/** A differing bucket as the peer lists it, and as it is here. */
interface ComparedBucket {
  readonly bucket: number;
  readonly theirs: Uint8Array;
  readonly ours: readonly ListedRecord[];
}

export class ExchangeAsker {
  readonly #replica: ExchangeReplica;
  readonly #limits: ExchangeLimits;
  readonly #peer: NodeId;
  readonly #ask: AskPeer;
  readonly #nowMs: () => number;
  readonly #session: number;
  readonly #backlog: Backlog;
  /** Own keys under key hashes that are wanted and not answered yet. */
  readonly #ownOfWanted: Map<string, readonly string[]> = new Map();
  /** When the exchange began. Who is not any more is made complete by the next one, and told of its ghosts there. */
  #isPeerComplete = true;
  readonly #onProgress: (progress: ExchangeProgress) => void;
  #transfers = 0;
  /** When the last transfer had ended. */
  #transferredMs = 0;
  #tally = { keysSent: 0, keysReceived: 0, bytesSent: 0, bytesReceived: 0 };

  constructor(replica: ExchangeReplica, limits: ExchangeLimits, ports: AskerPorts) {
    this.#replica = replica;
    this.#limits = limits;
    this.#backlog = new Backlog(limits);
    this.#peer = ports.peer;
    this.#session = ports.session;
    this.#ask = ports.ask;
    this.#nowMs = ports.nowMs;
    this.#onProgress = ports.onProgress;
  }

  /**
   * Runs the exchange to its end.
   * @returns undefined when member tables have to be exchanged first
   * @throws PeerFault when the peer breaks it off, or answers what it may not
   */
  async run(): Promise<ExchangeOutcome | undefined> {
    const replica = this.#replica;
    const { completeness } = replica;
    const begun = completeness.begin();
    await replica.settleFloor(replica.standing().floor);
    await replica.flush();
    // Offered as of a moment before the root is taken; see ExchangeAnswerer.
    const offer = completeness.offer(await replica.ownTime());
    const root = await replica.digests.root();
    const started = await this.#ask({
      kind: "exchange-start",
      session: this.#session,
      tableHash: replica.tableHash(),
      standing: replica.standing(),
      offer,
      root: fromHex(root),
    });
    switch (started.kind) {
      case "exchange-tables-differ":
        return undefined;
      case "exchange-equal":
      case "exchange-differs": {
        const equal = started.kind === "exchange-equal";
        this.#isPeerComplete = started.standing.complete;
        const theirs = replica.acceptOffer(started.offer);
        await replica.settleFloor(started.standing.floor);
        await replica.flush();
        // Whether what is compared is what is held at the floor of both: in the walk it is, and so it was when nothing changed.
        const isCompared = !equal || (await replica.digests.root()) === root;
        const floor = isCompared ? completeness.floor : begun.floor;
        const { staying } = equal ? started : await this.#reconcile(started);
        const proof = completeness.exchanged(this.#peer, theirs, started.standing, { ...begun, floor });
        if (proof === "exact") await replica.dropPurgedDamage();
        return {
          equal,
          concluded: proof !== "nothing",
          staying,
          offered: offer.time,
          ...this.#tally,
        };
      }
      default:
        throw new PeerFault({ code: "exchange_broken", what: started.kind });
    }
  }

  async #reconcile(started: ExchangeDiffers): Promise<ExchangeTransferred> {
    const { digests } = this.#replica;
    // The floor may have purged what the root still showed.
    await digests.root();
    if (!isChildHashes(started.children)) throw new PeerFault({ code: "bad_message", what: "child hashes" });
    const walk = new MerkleWalk(digests, started.children);
    this.#transferredMs = this.#nowMs();
    for (let compare = walk.next(); compare !== undefined; compare = walk.next()) {
      const compared = await this.#ask({ kind: "exchange-compare", session: this.#session, compare });
      // What was on its way a moment ago, and has come, is not looked for any further down.
      await digests.root();
      if (compared.kind !== "exchange-compared" || !walk.absorb(compared.reply)) {
        throw new PeerFault({ code: "exchange_broken", what: compared.kind });
      }
      const { reply } = compared;
      const read = async ({ bucket, entries }: BucketListing): Promise<ComparedBucket> => {
        return { bucket, theirs: entries, ours: await digests.listBucket(bucket) };
      };
      let movedMs = this.#nowMs();
      for await (const both of ahead(reply.buckets, BUCKETS_AHEAD, read)) {
        this.#plan(both);
        // The peer has to see that it goes on.
        while (this.#backlog.isLarge || this.#nowMs() - movedMs >= this.#limits.stepMs) {
          await this.#transfer({ walked: false });
          movedMs = this.#nowMs();
        }
      }
      this.#report();
      while (this.#isDue) await this.#transfer({ walked: false });
    }
    let last = await this.#transfer({ walked: true });
    while (!last.final) last = await this.#transfer({ walked: true });
    return last.reply;
  }

  /** What was found has waited for long. Once it is transferred it stays, should the exchange break off. */
  get #isDue(): boolean {
    return this.#backlog.size > 0 && this.#nowMs() - this.#transferredMs >= this.#limits.stepMs;
  }

  /** Puts what one differing bucket needs on the backlog. */
  #plan({ bucket, theirs: entries, ours }: ComparedBucket): void {
    const theirs = decodeBucketEntries(entries);
    if (theirs === undefined) throw new PeerFault({ code: "bad_message", what: "bucket entries" });
    const { push, want } = compareBucket(ours, theirs);
    for (const position of push) this.#push(ours[position]?.key);
    for (const keyHash of want) {
      this.#backlog.want(bucket, keyHash);
      const own = ours.filter((listed) => listed.keyHash === keyHash).map(({ key }) => key);
      if (own.length > 0) this.#ownOfWanted.set(placeOf(bucket, keyHash), own);
    }
  }

  #push(key: string | undefined): void {
    const found = key === undefined ? undefined : recordToSend(this.#replica, key);
    if (found !== undefined) this.#backlog.push(found);
  }

  /**
   * One transfer: as much of the backlog as fits, and then whatever the answer adds to it. It is the final one when
   * nothing is left and the walk is over: an empty backlog alone says nothing about buckets not yet compared.
   */
  async #transfer({
    walked,
  }: {
    readonly walked: boolean;
  }): Promise<{ readonly reply: ExchangeTransferred; readonly final: boolean }> {
    this.#transfers += 1;
    if (this.#transfers > this.#limits.maxTransfers)
      throw new PeerFault({ code: "exchange_broken", what: "no end" });
    const { records: read, refused } = this.#backlog.takeSends();
    const records = heldNow(this.#replica, read);
    const wants = this.#backlog.takeWants();
    // What may be refused of the answer, the peer has to be told, and so there is one more.
    const mayRefuse = records.length > 0 && !this.#isPeerComplete && this.#replica.standing().complete;
    const final = walked && wants.length === 0 && this.#backlog.size === 0 && !mayRefuse;
    this.#tally.keysSent += records.length;
    for (const { key, record } of records) this.#tally.bytesSent += recordBytes(key, record);
    try {
      const reply = await this.#ask({
        kind: "exchange-transfer",
        session: this.#session,
        standing: this.#replica.standing(),
        records,
        wants,
        refused,
        final,
      });
      const { whole, parts } = await this.#receiveParts(reply, wants, records.length);
      this.#transferredMs = this.#nowMs();
      return { reply: whole, final: final && parts === 1 };
    } finally {
      // What was on its way when it broke off has moved as well.
      this.#report();
    }
  }

  /** Takes the answer to a transfer of so many records, and asks for what of it did not fit. */
  async #receiveParts(
    first: ExchangeReply,
    wants: readonly BucketWant[],
    sent: number,
  ): Promise<{ readonly whole: ExchangeTransferred; readonly parts: number }> {
    let reply = first;
    let from = 0;
    for (let parts = 1; ; parts++) {
      if (reply.kind !== "exchange-transferred" && reply.kind !== "exchange-more")
        throw new PeerFault({ code: "exchange_broken", what: reply.kind });
      await this.#receive(reply, parts === 1 ? wants : []);
      if (reply.kind === "exchange-transferred") return { whole: reply, parts };
      if (reply.next <= from || reply.next >= sent)
        throw new PeerFault({ code: "exchange_broken", what: "no rest" });
      from = reply.next;
      reply = await this.#ask({ kind: "exchange-rest", session: this.#session, from });
    }
  }

  #report(): void {
    this.#onProgress({ ...this.#tally, keysLeft: this.#backlog.size });
  }

  async #receive(reply: ExchangeTransferred | ExchangeMore, wants: readonly BucketWant[]): Promise<void> {
    const readAt = this.#replica.standing();
    if (reply.records.length > 0) this.#replica.takesFrom(this.#peer);
    const batch = this.#replica.merge(reply.records, reply.standing, reply.refused);
    if (batch === undefined) throw new PeerFault({ code: "exchange_broken", what: "floors differ" });
    const { merged, refused, committed } = batch;
    committed.catch(() => {
      // A store that is full refuses at once, long before this is waited for below.
    });
    for (const ghosts of refused) this.#backlog.refuse(ghosts);
    for (const [position, { key, record }] of merged.entries()) {
      const received = reply.records[position];
      if (received === undefined) continue;
      this.#tally.keysReceived += 1;
      this.#tally.bytesReceived += recordBytes(key, received.record);
      if (record !== undefined && differInSiblings(received.record, record))
        this.#backlog.push({ key, record, readAt });
    }
    const unanswered = new Map(wants.map(({ bucket, keyHashes }) => [bucket, new Set(keyHashes)]));
    let leftOut = 0;
    for (const { bucket, keyHashes } of reply.leftOut) {
      for (const keyHash of keyHashes) {
        if (unanswered.get(bucket)?.delete(keyHash) !== true) continue;
        // Beside those of the bucket that have not been asked for yet.
        this.#backlog.want(bucket, keyHash);
        leftOut += 1;
      }
    }
    const asked = wants.reduce((sum, { keyHashes }) => sum + keyHashes.length, 0);
    if (asked > 0 && leftOut === asked && reply.records.length === 0) {
      throw new PeerFault({ code: "exchange_broken", what: "nothing was sent" });
    }
    this.#pushUnanswered(unanswered, reply);
    await committed;
  }

  /**
   * Own records under a wanted key hash that the peer did not answer with: their hash is that of another key, or
   * the peer has purged what it listed. Either way it may lack them.
   */
  #pushUnanswered(
    wanted: ReadonlyMap<number, ReadonlySet<string>>,
    reply: ExchangeTransferred | ExchangeMore,
  ): void {
    const answered = new Set(reply.records.map(({ key }) => key));
    for (const [bucket, keyHashes] of wanted) {
      for (const keyHash of keyHashes) {
        const place = placeOf(bucket, keyHash);
        for (const key of this.#ownOfWanted.get(place) ?? []) if (!answered.has(key)) this.#push(key);
        this.#ownOfWanted.delete(place);
      }
    }
  }
}

function placeOf(bucket: number, keyHash: string): string {
  return `${bucket} ${keyHash}`;
}
