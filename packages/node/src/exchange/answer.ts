/**
 * The answering side of an exchange.
 *
 * A session remembers what the asking side offered at its start, and how far this node's completeness was then. The
 * claim that follows is made once, at the final transfer, after everything in it is committed.
 */
import {
  answerCompare,
  type BucketWant,
  type Completeness,
  type ExchangeBegin,
  type ExchangeCompare,
  type ExchangeMore,
  type ExchangeOffer,
  type ExchangeReply,
  type ExchangeRequest,
  type ExchangeRest,
  type ExchangeStart,
  type ExchangeTransfer,
  type ExchangeTransferred,
  encodeBucketEntries,
  fromHex,
  isCompareRequest,
  type NodeId,
  type Standing,
} from "@hearsay/core";
import type { ListedRecord } from "../cluster/ports.ts";
import { PeerFault } from "../peer-fault.ts";
import { type AnswerPart, type Owed, owedFor, partOf } from "./owed.ts";
import type { ExchangeReplica } from "./replica.ts";
import { type ExchangeLimits, heldNow, sameBytes } from "./session.ts";
import { Starts } from "./starts.ts";
import { addWanted } from "./wanted.ts";

/** A session that has not moved for this long is not under way, though it may still go on. */
const UNDER_WAY_MS = 2000;
/** Nor is it kept any longer then, where there is no room for another one: longer than a starved node leaves a request unread. */
const GIVEN_UP_MS = 5000;

interface AnsweringSession {
  readonly offer: ExchangeOffer;
  /** Where the asking side stood when it made the offer, as far as that may count. */
  readonly standing: Standing;
  /** The incarnation's own completeness: a claim for an earlier incarnation must not touch a later one. */
  readonly completeness: Completeness;
  readonly begun: ExchangeBegin;
  /** Buckets as they were listed to the asking side, which will want some of what they hold. */
  readonly listed: Map<number, readonly ListedRecord[]>;
  listedEntries: number;
  /** What did not fit into the answer to a transfer, and all before it; empty when the asking side has been given all. */
  owed: readonly Owed[];
  /** Requests of it that are being answered. */
  underWay: number;
  /** The asking side has gone on after the start. One that breaks off there, over and over, is no exchange under way. */
  isWalking: boolean;
  /** When a request of it came, or was answered. */
  movedAtMs: number;
}

export class ExchangeAnswerer {
  readonly #replica: ExchangeReplica;
  readonly #limits: ExchangeLimits;
  readonly #nowMs: () => number;
  readonly #sessions: Map<string, AnsweringSession> = new Map();
  readonly #starts: Starts;
  #putOff = 0;

  /** @param nowMs monotonic */
  constructor(replica: ExchangeReplica, limits: ExchangeLimits, nowMs: () => number) {
    this.#replica = replica;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#starts = new Starts(replica.latestTime());
  }

  /** Sessions open now. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Exchanges that were told to come back, for want of room. */
  get putOff(): number {
    return this.#putOff;
  }

  /** Whether an exchange that this peer began is finding out what differs, or mending it, at this moment. */
  isAnswering(peer: NodeId): boolean {
    for (const [key, session] of this.#sessions) {
      if (session.isWalking && key.startsWith(`${peer} `) && !this.#isStill(session, UNDER_WAY_MS))
        return true;
    }
    return false;
  }

  dropSessionsWith(peer: NodeId): void {
    for (const key of this.#sessions.keys()) if (key.startsWith(`${peer} `)) this.#sessions.delete(key);
  }

  /** @throws PeerFault for what the peer may not send */
  async answer(from: NodeId, request: ExchangeRequest): Promise<ExchangeReply> {
    if (request.kind === "exchange-start") return await this.#start(from, request);
    const key = sessionKey(from, request.session);
    const session = this.#session(key);
    if (session === undefined) return { kind: "exchange-void" };
    session.underWay += 1;
    try {
      if (request.kind === "exchange-compare") return await this.#compare(session, request);
      if (request.kind === "exchange-rest") return this.#rest(session, request);
      return await this.#transfer(from, session, request);
    } finally {
      session.underWay -= 1;
      session.movedAtMs = this.#nowMs();
    }
  }

  async #start(from: NodeId, request: ExchangeStart): Promise<ExchangeReply> {
    const replica = this.#replica;
    if (request.tableHash !== replica.tableHash()) return { kind: "exchange-tables-differ" };
    const theirs = replica.acceptOffer(request.offer);
    // Before anything is done for it, as those that are put off come again and again.
    this.#expectRoom();
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
    // What is offered now is of a time at which this node had settled more, or recorded more, than the compared tables know of.
    const isOfOneTable = request.tableHash === replica.tableHash();
    if (!isOfOneTable || completeness.isVoid(begun)) return { kind: "exchange-tables-differ" };
    // Where this may be a copy, what has happened since the first one is not known any more: it makes nobody complete.
    const isNews = this.#starts.isNews(theirs.time);
    const asked = { ...request.standing, complete: request.standing.complete && isNews };
    if (sameBytes(root, request.root)) {
      completeness.exchanged(from, theirs, asked, begun);
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
      standing: asked,
      completeness,
      begun,
      listed: new Map(),
      listedEntries: 0,
      owed: [],
      underWay: 0,
      isWalking: false,
      movedAtMs: this.#nowMs(),
    });
    const children = replica.digests.children(0, 0);
    return { kind: "exchange-differs", standing, offer, children, wallMs: replica.wallMs() };
  }

  async #compare(session: AnsweringSession, request: ExchangeCompare): Promise<ExchangeReply> {
    if (!isCompareRequest(request.compare))
      throw new PeerFault({ code: "bad_message", what: "compare request" });
    session.isWalking = true;
    const { digests } = this.#replica;
    await digests.root();
    const reply = await answerCompare(
      digests,
      request.compare,
      async (bucket) => encodeBucketEntries(await this.#list(session, bucket)),
      { maxBytes: this.#limits.maxMessageBytes, isOver: this.#step() },
    );
    return { kind: "exchange-compared", reply };
  }

  /** A bucket as it is now, remembered while there is room: what the asking side will want of it is then not read again. */
  async #list(session: AnsweringSession, bucket: number): Promise<readonly ListedRecord[]> {
    const listed = await this.#replica.digests.listBucket(bucket);
    if (listed.length === 0) return listed;
    let entries = listed.length;
    for (const { listedEntries } of this.#sessions.values()) entries += listedEntries;
    if (entries > this.#limits.maxListedEntries) return listed;
    session.listed.set(bucket, listed);
    session.listedEntries += listed.length;
    return listed;
  }

  async #transfer(
    from: NodeId,
    session: AnsweringSession,
    request: ExchangeTransfer,
  ): Promise<ExchangeReply> {
    const replica = this.#replica;
    if (request.records.length > 0) replica.takesFrom(from);
    const batch = replica.merge(request.records, request.standing, request.refused);
    if (batch === undefined) return this.#void(from, request);
    await batch.committed;
    // Who keeps to the rules asks for the rest before it sends anything else.
    if (session.owed.length > 0) return this.#void(from, request);
    const owed = owedFor(request.records, batch);
    const part = partOf(replica, owed, 0, this.#limits);
    if (part.next !== undefined) session.owed = owed;
    const leftOut = await this.#fetch(session, request.wants, part);
    const reply = this.#transferred(part, leftOut);
    if (request.final && reply.kind === "exchange-transferred") {
      // What the other side would refuse of this last answer, this one is never told.
      const complete = session.standing.complete && reply.records.length === 0;
      const standing = { ...session.standing, complete };
      session.completeness.exchanged(from, session.offer, standing, session.begun);
      this.#sessions.delete(sessionKey(from, request.session));
    }
    return reply;
  }

  async #fetch(
    { listed }: AnsweringSession,
    wants: readonly BucketWant[],
    part: AnswerPart,
  ): Promise<BucketWant[]> {
    const { digests } = this.#replica;
    const list = async (bucket: number): Promise<readonly ListedRecord[]> =>
      listed.get(bucket) ?? (await digests.listBucket(bucket));
    return await addWanted(this.#replica, wants, part, { list, ...this.#limits, isOver: this.#step() });
  }

  #rest(session: AnsweringSession, { from: position }: ExchangeRest): ExchangeReply {
    if (position >= session.owed.length) throw new PeerFault({ code: "bad_message", what: "rest" });
    const part = partOf(this.#replica, session.owed, position, this.#limits);
    if (part.next === undefined) session.owed = [];
    return this.#transferred(part, []);
  }

  #transferred(
    { records, refused, next }: AnswerPart,
    leftOut: readonly BucketWant[],
  ): ExchangeTransferred | ExchangeMore {
    const replica = this.#replica;
    const said = {
      standing: replica.standing(),
      records: heldNow(replica, records),
      leftOut,
      refused,
      staying: replica.staying(),
    };
    return next === undefined
      ? { kind: "exchange-transferred", ...said }
      : { kind: "exchange-more", ...said, next };
  }

  #void(from: NodeId, { session }: ExchangeTransfer): ExchangeReply {
    this.#sessions.delete(sessionKey(from, session));
    return { kind: "exchange-void" };
  }

  #open(from: NodeId, request: ExchangeStart, session: AnsweringSession): void {
    const key = sessionKey(from, request.session);
    // A second copy of the start does not know what has happened since the first, nor do copies of what followed that one.
    if (this.#starts.has(key)) throw new PeerFault({ code: "busy" });
    this.#expectRoom();
    this.#sessions.set(key, session);
    this.#starts.add(key, session.offer.time);
  }

  /**
   * Where there is no room, sessions that stand still give way: whoever asked has given them up, or is cut off.
   * @throws PeerFault `busy`
   */
  #expectRoom(): void {
    const { maxSessions, maxSessionsIncomplete, sessionIdleMs } = this.#limits;
    const most = this.#replica.standing().complete
      ? maxSessions
      : Math.min(maxSessions, maxSessionsIncomplete);
    const isFull = (): boolean => this.#sessions.size >= most;
    for (const [key, open] of this.#sessions)
      if (this.#isStill(open, isFull() ? Math.min(GIVEN_UP_MS, sessionIdleMs) : sessionIdleMs))
        this.#sessions.delete(key);
    if (!isFull()) return;
    this.#putOff += 1;
    throw new PeerFault({ code: "busy" });
  }

  #session(key: string): AnsweringSession | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (this.#isStill(session, this.#limits.sessionIdleMs) || session.completeness.isVoid(session.begun)) {
      this.#sessions.delete(key);
      return undefined;
    }
    return session;
  }

  #isStill({ underWay, movedAtMs }: AnsweringSession, forMs: number): boolean {
    return underWay === 0 && this.#nowMs() - movedAtMs > forMs;
  }

  /** Whether the time of one answer, which begins now, is over. */
  #step(): () => boolean {
    const endMs = this.#nowMs() + this.#limits.stepMs;
    return () => this.#nowMs() >= endMs;
  }
}

function sessionKey(from: NodeId, session: number): string {
  return `${from} ${session}`;
}
