/** What a cluster member is made with, and what it says of itself. */
import type {
  AntiEntropyConfig,
  HlcTime,
  RandomSource,
  RumorOptions,
  SharedLimits,
  SwimConfig,
} from "@hearsay/core";
import type { ExchangeLimits } from "../exchange/session.ts";
import type { Node } from "../node.ts";
import type { Clock, Log, Metrics, RecordStore } from "../ports.ts";
import type { Obstacle } from "./obstacle.ts";
import type { DigestStore, Graveyard, StoreFacts, Timers, Transport } from "./ports.ts";
import type { Incarnation } from "./stored-completeness.ts";

export interface MemberPorts {
  readonly node: Node;
  readonly store: RecordStore;
  readonly digests: DigestStore;
  readonly graveyard: Graveyard;
  readonly facts: StoreFacts;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly transport: Transport;
  /** The addresses a configured seed stands for at this moment. */
  resolveSeed(seed: string): Promise<readonly string[]>;
  readonly random: RandomSource;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface MemberConfig {
  readonly address: string;
  readonly zone: string;
  readonly build: string;
  readonly protocol: { readonly min: number; readonly max: number };
  readonly seeds: readonly string[];
  readonly incarnation: Incarnation;
  readonly swim: SwimConfig;
  readonly rumors: RumorOptions;
  readonly antiEntropy: AntiEntropyConfig;
  readonly exchange: ExchangeLimits;
  readonly tombstoneRetentionMs: number;
  readonly stateIntervalMs: number;
  readonly maxPendingAcks: number;
  readonly limits: SharedLimits;
  /** 16 hexadecimal digits of a text. */
  readonly hash: (text: string) => string;
}

/** Why this node takes no client writes at the moment. */
export type NotWritable =
  | { readonly code: "joining"; readonly recordedBy: number; readonly needed: number }
  | { readonly code: "limits_differ"; readonly by: string; readonly knobs: readonly string[] }
  | { readonly code: "data_too_old"; readonly by: string; readonly reason: Obstacle }
  | { readonly code: "name_taken"; readonly by: string }
  | { readonly code: "clock_skew" }
  | { readonly code: "leaving" }
  | { readonly code: "retired" };

/** What an introducer says of its cluster. */
export interface Greeting {
  readonly time: HlcTime;
  /** Where it may be soon; see {@link floorAhead}. */
  readonly floor: HlcTime;
  /** Limits that this node has otherwise. */
  readonly differing: readonly (keyof SharedLimits)[];
}

export interface MemberEvents {
  /** This id is retired: the node has to come back as a new incarnation, or by an operator's hand. */
  retired(): void;
}
