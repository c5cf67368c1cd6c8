/** The doors a cluster member has besides those of a lone replica. */
import type { HlcTime, MerkleView, Peer, PeerReply, PeerRequest, Sibling } from "@hearsay/core";

export interface Timers {
  /** Calls back once after the delay on a monotonic clock; the result takes it back. */
  after(ms: number, callback: () => void): () => void;
  /** Monotonic milliseconds, for intervals. Unrelated to the wall clock. */
  monotonicMs(): number;
}

export interface Transport {
  /**
   * Sends a request to the address and settles with its reply within the time-out.
   * @throws PeerFault `refused` with `not_me` when another node than `to.id` answers, unless that is `ANYONE`;
   * `unreachable`, `timeout`, `refused` with the peer's code, or `bad_message`
   */
  request(to: Peer, message: PeerRequest, timeoutMs: number): Promise<PeerReply>;
}

/** A record as its bucket lists it. */
export interface ListedRecord {
  readonly key: string;
  /** 12 hexadecimal digits. */
  readonly keyHash: string;
  /** The first 16 hexadecimal digits of the record digest. */
  readonly digest: string;
  /** Of the newest sibling. */
  readonly time: HlcTime;
}

/** The digests of a store, always those of its committed records. */
export interface DigestStore extends MerkleView {
  /** 64 hexadecimal digits, exact for the moment the promise settles. */
  root(): Promise<string>;
  listBucket(bucket: number): Promise<readonly ListedRecord[]>;
}

/** When and why a ghost is kept aside: a peer offered it and it was refused, or it was held here and dropped on a peer's word. */
export interface GhostKeeping {
  readonly atMs: number;
  readonly why: "refused" | "dropped";
}

/** Removal of what the cluster is done with. */
export interface Graveyard {
  /** Removes at most `limit` of the records that may go at this floor. */
  purge(floor: HlcTime, limit: number): Promise<{ readonly purged: number; readonly more: boolean }>;
  /** Removes one record of which nothing is to be kept after a merge. */
  remove(key: string): Promise<void>;
  /**
   * Forgets at most `limit` damaged records, found before this incarnation, whose every version lies at or below the floor. What is
   * unreadable as a whole counts as of `unreadableAt`. @returns the keys of those that were forgotten
   */
  dropDamaged(floor: HlcTime, unreadableAt: HlcTime, limit: number): Promise<readonly string[]>;
  /**
   * Keeps a ghost aside for review, in the batch of the turn or by an earlier one: it is never only where it was dropped. False when
   * there is no room for it. Throws at once, with nothing put, where it cannot be told whether it is kept already.
   */
  quarantine(key: string, sibling: Sibling, kept: GhostKeeping): Promise<boolean>;
}

/** What the store says of itself. */
export interface StoreFacts {
  /** Settles when everything put so far is committed or refused; rejects while it is not known which. */
  flush(): Promise<void>;
  stats(): { readonly records: number; readonly bytes: number };
}
