/** What the nodes of the model say to each other. Every message carries its sender's member table. */
import type { HlcTime, KeyRecord, NodeId, Version } from "@hearsay/core";
import type { Offer, Table, Unit } from "./state.ts";

/** Where the sender stood when it sent records or refused some. */
export interface Standing {
  readonly floor: HlcTime;
  readonly complete: boolean;
}

export interface KeyedRecord {
  readonly key: string;
  readonly record: KeyRecord;
}

export interface Refusal {
  readonly key: string;
  readonly version: Version;
}

export type Body =
  | { readonly kind: "mail"; readonly key: string; readonly record: KeyRecord }
  | { readonly kind: "gossip"; readonly units: ReadonlyMap<NodeId, Unit> }
  /** Record me durably. */
  | { readonly kind: "join" }
  | { readonly kind: "joined"; readonly clock: HlcTime }
  /** The table says it all: a retirement the receiver should know. */
  | { readonly kind: "table" }
  /** Only sent where a rule is broken: stopping taken for leaving. */
  | { readonly kind: "stopped" }
  | { readonly kind: "start"; readonly session: number; readonly root: string; readonly offer: Offer }
  | { readonly kind: "equal"; readonly session: number; readonly offer: Offer; readonly staying: boolean }
  | {
      readonly kind: "differs";
      readonly session: number;
      readonly offer: Offer;
      readonly digests: ReadonlyMap<string, string>;
    }
  | {
      readonly kind: "records";
      readonly session: number;
      readonly keys: readonly string[];
      readonly records: readonly KeyedRecord[];
      readonly standing: Standing;
    }
  | {
      readonly kind: "answer";
      readonly session: number;
      readonly records: readonly KeyedRecord[];
      readonly refused: readonly Refusal[];
      readonly standing: Standing;
      readonly staying: boolean;
    }
  | {
      readonly kind: "done";
      readonly session: number;
      /** What is held in the place of what is refused. */
      readonly records: readonly KeyedRecord[];
      readonly refused: readonly Refusal[];
      readonly standing: Standing;
    };

export interface Message {
  readonly from: NodeId;
  /** Goes to the address in the id, whoever lives there now. */
  readonly to: NodeId;
  readonly table: Table;
  readonly body: Body;
}
