/**
 * What two replicas say to each other in an exchange. The asking side leads: it starts, compares, transfers; the
 * other answers. Only the last transfer, marked `final`, lets the answering side draw its conclusion.
 */
import type { Standing } from "../completeness/admission.ts";
import type { ExchangeOffer } from "../completeness/terms.ts";
import type { KeyRecord } from "../record.ts";
import type { Version } from "../version.ts";
import type { CompareReply, CompareRequest } from "./merkle-walk.ts";

export interface KeyedRecord {
  readonly key: string;
  readonly record: KeyRecord;
}

/** Versions a complete replica kept out as ghosts, so that an incomplete sender can drop them. */
export interface RefusedVersions {
  readonly key: string;
  readonly versions: readonly Version[];
}

export interface BucketWant {
  readonly bucket: number;
  /** 12 hexadecimal digits each. */
  readonly keyHashes: readonly string[];
}

export interface ExchangeStart {
  readonly kind: "exchange-start";
  /** Chosen by the asking side, unique among its sessions. */
  readonly session: number;
  readonly tableHash: string;
  readonly standing: Standing;
  readonly offer: ExchangeOffer;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export interface ExchangeCompare {
  readonly kind: "exchange-compare";
  readonly session: number;
  readonly compare: CompareRequest;
}

export interface ExchangeTransfer {
  readonly kind: "exchange-transfer";
  readonly session: number;
  readonly standing: Standing;
  readonly records: readonly KeyedRecord[];
  readonly wants: readonly BucketWant[];
  /** What of the last answer was kept out. */
  readonly refused: readonly RefusedVersions[];
  /** The asking side has nothing more to send. */
  readonly final: boolean;
}

/** Asks for what did not fit into an {@link ExchangeMore}. It can be answered twice, so a second copy does no harm. */
export interface ExchangeRest {
  readonly kind: "exchange-rest";
  readonly session: number;
  /** {@link ExchangeMore.next} */
  readonly from: number;
}

export type ExchangeRequest = ExchangeStart | ExchangeCompare | ExchangeTransfer | ExchangeRest;

/** Member tables have to be exchanged first. */
export interface ExchangeTablesDiffer {
  readonly kind: "exchange-tables-differ";
}

export interface ExchangeEqual {
  readonly kind: "exchange-equal";
  readonly standing: Standing;
  readonly offer: ExchangeOffer;
  /** The answering side is not itself on its way out. */
  readonly staying: boolean;
  /** The answering side's wall clock, in milliseconds; null from a build that does not say. */
  readonly wallMs: number | null;
}

export interface ExchangeDiffers {
  readonly kind: "exchange-differs";
  readonly standing: Standing;
  readonly offer: ExchangeOffer;
  /** The root's children's hashes, 128 bytes. */
  readonly children: Uint8Array;
  /** As in {@link ExchangeEqual}. */
  readonly wallMs: number | null;
}

export interface ExchangeCompared {
  readonly kind: "exchange-compared";
  readonly reply: CompareReply;
}

export interface ExchangeTransferred {
  readonly kind: "exchange-transferred";
  readonly standing: Standing;
  /** What was wanted, and what the merges show that the asking side lacks. */
  readonly records: readonly KeyedRecord[];
  /** Wants that did not fit and have to be asked again. */
  readonly leftOut: readonly BucketWant[];
  /** What of the transfer was kept out. */
  readonly refused: readonly RefusedVersions[];
  readonly staying: boolean;
}

/**
 * As {@link ExchangeTransferred}, but not all fitted that the merges show the asking side to lack, or that was kept out. Nothing is
 * concluded. A build that does not know this kind breaks the exchange off.
 */
export interface ExchangeMore extends Omit<ExchangeTransferred, "kind"> {
  readonly kind: "exchange-more";
  /** Where the rest begins: greater with each answer, and less than the number of records that were sent. */
  readonly next: number;
}

/** The session is not known, or no longer: it ran out, or a retirement made it void. */
export interface ExchangeVoid {
  readonly kind: "exchange-void";
}

export type ExchangeReply =
  | ExchangeTablesDiffer
  | ExchangeEqual
  | ExchangeDiffers
  | ExchangeCompared
  | ExchangeTransferred
  | ExchangeMore
  | ExchangeVoid;
