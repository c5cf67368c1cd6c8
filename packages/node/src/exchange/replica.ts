/** What an exchange needs of the replica it runs on. */
import type {
  Completeness,
  ExchangeOffer,
  HlcTime,
  KeyedRecord,
  KeyRecord,
  NodeId,
  RefusedVersions,
  Standing,
} from "@hearsay/core";
import type { DigestStore } from "../cluster/ports.ts";
import type { Readable } from "../damaged.ts";

/** What came of merging one foreign record. */
export interface Merged {
  readonly key: string;
  /** What is held now; undefined when nothing is. */
  readonly record: KeyRecord | undefined;
}

export interface MergedBatch {
  /** In the order of the batch. */
  readonly merged: readonly Merged[];
  /** What of the batch is kept out here, for its sender to drop. */
  readonly refused: readonly RefusedVersions[];
  /** Settles when all of it is committed. */
  readonly committed: Promise<void>;
}

export interface ExchangeReplica {
  readonly id: NodeId;
  readonly completeness: Completeness;
  readonly digests: DigestStore;
  /** Hash of the member table's ids and retirements. */
  tableHash(): string;
  /** False while this node is leaving. */
  staying(): boolean;
  standing(): Standing;
  /** The wall clock. */
  wallMs(): number;
  /** No time that this node has issued or heard of is later; after a restart, none that it had heard of in an exchange. */
  latestTime(): HlcTime;
  /** A time below every own write that is not committed; durable before it is returned. */
  ownTime(): Promise<HlcTime>;
  /** A damaged record is none: peers are asked for it as for any other that is missing. */
  get(key: string): KeyRecord | undefined;
  /** What is committed, or what of it is lost. */
  read(key: string): Readable;
  /** Settles when everything accepted so far is committed, so that the next root shows it. */
  flush(): Promise<void>;
  /** To be called before a peer's records are merged, or taken as mail, in the same turn. */
  takesFrom(peer: NodeId): void;
  /**
   * Merges under the ghost rule, all or nothing. In the same batch, and before that, what the sender has refused as ghosts of
   * what this node had sent it is dropped: the sender sends what is right in its place together with the refusal.
   * @param records of different keys
   * @returns undefined when a record would have to be judged and the two sides stand at different floors
   * @throws PeerFault `clock_drift`; then, too, nothing is changed
   */
  merge(
    records: readonly KeyedRecord[],
    sender: Standing,
    refused: readonly RefusedVersions[],
  ): MergedBatch | undefined;
  /**
   * Merges what is news to both sides; see the ghost rule. Settles when it is committed, with what each key's record has become:
   * undefined where nothing changed.
   * @throws PeerFault `clock_drift`
   */
  takeMail(records: readonly KeyedRecord[], sender: Standing): Promise<readonly (KeyRecord | undefined)[]>;
  /** Forgets damaged records that were purged everywhere; see the ghost rule. To be called after an exact exchange. */
  dropPurgedDamage(): Promise<void>;
  /** Adopts the larger floor and purges to it. @throws PeerFault `clock_drift` with nothing changed */
  settleFloor(floor: HlcTime): Promise<void>;
  /**
   * Takes the time of a peer's offer into account, and gives the offer without entries from clocks too far ahead:
   * a vector that says less is as true.
   * @throws PeerFault `clock_drift` with nothing changed
   */
  acceptOffer(offer: ExchangeOffer): ExchangeOffer;
}
