/**
 * The answering side of an exchange.
 *
 * A session remembers what the asking side offered at its start, and how far this node's completeness was then. The
 * claim that follows is made once, at the final transfer, after everything in it is committed.
 */
import {
  answerCompare,
  type BucketEntry,
  type BucketWant,
  type Completeness,
  type ExchangeBegin,
  type ExchangeCompare,
  type ExchangeOffer,
  type ExchangeReply,
  type ExchangeRequest,
  type ExchangeStart,
  type ExchangeTransfer,
  encodeBucketEntries,
  fromHex,
  isCompareRequest,
  type KeyedRecord,
  type NodeId,
  type Standing,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { ExchangeReplica } from "./replica.ts";
import { type ExchangeLimits, lacksSiblingsOf, recordBytes, recordToSend, sameBytes } from "./session.ts";

interface AnsweringSession {
  readonly offer: ExchangeOffer;
  /** Where the asking side stood when it made the offer. */
  readonly standing: Standing;
  /** The incarnation's own completeness: a claim for an earlier incarnation must not touch a later one. */
  readonly completeness: Completeness;
  readonly begun: ExchangeBegin;
  movedAtMs: number;
}

export class ExchangeAnswerer {
  readonly #replica: ExchangeReplica;
  readonly #limits: ExchangeLimits;
  readonly #sessions: Map<string, AnsweringSession> = new Map();

  constructor(replica: ExchangeReplica, limits: ExchangeLimits) {
    this.#replica = replica;
    this.#limits = limits;
  }

  /** Sessions open now. */
  get size(): number {
    return this.#sessions.size;
  }

  dropSessionsWith(peer: NodeId): void {
    for (const key of this.#sessions.keys()) if (key.startsWith(`${peer} `)) this.#sessions.delete(key);
  }

  /** @throws PeerFault for what the peer may not send */
  async answer(from: NodeId, request: ExchangeRequest, nowMs: number): Promise<ExchangeReply> {
    switch (request.kind) {
      case "exchange-start":
        return await this.#start(from, request, nowMs);
      case "exchange-compare":
        return await this.#compare(from, request, nowMs);
      case "exchange-transfer":
        return await this.#transfer(from, request, nowMs);
    }
  }

  async #start(from: NodeId, request: ExchangeStart, nowMs: number): Promise<ExchangeReply> {
    const replica = this.#replica;
    if (request.tableHash !== replica.tableHash()) return { kind: "exchange-tables-differ" };
    const theirs = replica.acceptOffer(request.offer);
    const { completeness } = replica;
    const { epoch } = completeness.begin();
    await replica.settleFloor(request.standing.floor);
    // The epoch as of before this: a retirement that is settled from here on is one that the session has not seen.
    const begun = { ...completeness.begin(), epoch };
    await replica.flush();
    // Time and vector are offered as of a moment before the root: everything held then is in the root.
    const offer = completeness.offer(await replica.ownTime());
    const root = fromHex(await replica.digests.root());
    const standing = replica.standing();
    if (sameBytes(root, request.root)) {
      completeness.exchanged(from, theirs, request.standing, begun);
      return {
        kind: "exchange-equal",
        standing,
        offer,
        staying: replica.staying(),
        wallMs: replica.wallMs(),
      };
    }
    this.#open(from, request, {
      offer: theirs,
      standing: request.standing,
      completeness,
      begun,
      movedAtMs: nowMs,
    });
    const children = replica.digests.children(0, 0);
    return { kind: "exchange-differs", standing, offer, children, wallMs: replica.wallMs() };
  }

  async #compare(from: NodeId, request: ExchangeCompare, nowMs: number): Promise<ExchangeReply> {
    if (this.#session(from, request.session, nowMs) === undefined) return { kind: "exchange-void" };
    if (!isCompareRequest(request.compare))
      throw new PeerFault({ code: "bad_message", what: "compare request" });
    const reply = await answerCompare(
      this.#replica.digests,
      request.compare,
      async (bucket) => encodeBucketEntries(await this.#entries(bucket)),
      this.#limits.maxMessageBytes,
    );
    return { kind: "exchange-compared", reply };
  }

  async #entries(bucket: number): Promise<readonly BucketEntry[]> {
    return await this.#replica.digests.listBucket(bucket);
  }

  async #transfer(from: NodeId, request: ExchangeTransfer, nowMs: number): Promise<ExchangeReply> {
    const session = this.#session(from, request.session, nowMs);
    if (session === undefined) return { kind: "exchange-void" };
    const replica = this.#replica;
    const batch = replica.merge(request.records, request.standing);
    if (batch === undefined) {
      this.#sessions.delete(sessionKey(from, request.session));
      return { kind: "exchange-void" };
    }
    const { merged, refused, committed } = batch;
    await Promise.all([committed, replica.drop(request.refused)]);
    const answer: KeyedRecord[] = [];
    let bytes = 0;
    for (const [position, { key, record }] of merged.entries()) {
      const sent = request.records[position];
      if (record === undefined || sent === undefined || !lacksSiblingsOf(sent.record, record)) continue;
      answer.push({ key, record });
      bytes += recordBytes(key, record);
    }
    const leftOut = await this.#fetch(request.wants, bytes, answer);
    if (request.final) {
      // What the other side would refuse of this last answer, this one is never told.
      const standing = { ...session.standing, complete: session.standing.complete && answer.length === 0 };
      session.completeness.exchanged(from, session.offer, standing, session.begun);
      this.#sessions.delete(sessionKey(from, request.session));
    }
    return {
      kind: "exchange-transferred",
      standing: replica.standing(),
      records: answer,
      leftOut,
      refused,
      staying: replica.staying(),
    };
  }

  /** Adds wanted records to the answer as far as they fit, the first whatever its size. Returns what is left. */
  async #fetch(
    wants: readonly BucketWant[],
    usedBytes: number,
    answer: KeyedRecord[],
  ): Promise<BucketWant[]> {
    const leftOut: BucketWant[] = [];
    const answered = new Set(answer.map(({ key }) => key));
    let bytes = usedBytes;
    for (const { bucket, keyHashes } of wants) {
      const listed =
        bytes < this.#limits.maxMessageBytes ? await this.#replica.digests.listBucket(bucket) : [];
      const left: string[] = [];
      for (const keyHash of keyHashes) {
        if (bytes >= this.#limits.maxMessageBytes) {
          left.push(keyHash);
          continue;
        }
        for (const { key } of listed.filter((entry) => entry.keyHash === keyHash)) {
          const found = answered.has(key) ? undefined : recordToSend(this.#replica, key);
          if (found === undefined) continue;
          answer.push(found);
          bytes += recordBytes(key, found.record);
        }
      }
      if (left.length > 0) leftOut.push({ bucket, keyHashes: left });
    }
    return leftOut;
  }

  #open(from: NodeId, request: ExchangeStart, session: AnsweringSession): void {
    for (const [key, open] of this.#sessions) {
      if (session.movedAtMs - open.movedAtMs > this.#limits.sessionIdleMs) this.#sessions.delete(key);
    }
    if (this.#sessions.size >= this.#limits.maxSessions) throw new PeerFault({ code: "busy" });
    this.#sessions.set(sessionKey(from, request.session), session);
  }

  #session(from: NodeId, id: number, nowMs: number): AnsweringSession | undefined {
    const key = sessionKey(from, id);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const isIdle = nowMs - session.movedAtMs > this.#limits.sessionIdleMs;
    if (isIdle || session.completeness.isVoid(session.begun)) {
      this.#sessions.delete(key);
      return undefined;
    }
    session.movedAtMs = nowMs;
    return session;
  }
}

function sessionKey(from: NodeId, session: number): string {
  return `${from} ${session}`;
}
