/** Makes this node a member of its cluster: the transport, the protocols' settings, the member itself. */
import { createHash, hash, randomInt } from "node:crypto";
import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  type NodeId,
  SeededRandom,
  type SharedLimits,
  SWIM_DEFAULTS,
} from "@hearsay/core";
import {
  type Clock,
  ClusterMember,
  EXCHANGE_LIMITS,
  type Incarnation,
  type Log,
  type MemberConfig,
  type Metrics,
  type Node,
  type Timers,
} from "@hearsay/node";
import type { Store } from "@hearsay/store";
import { WIRE_VERSION, WIRE_VERSION_MIN } from "@hearsay/wire";
import { BUILD } from "../build.ts";
import type { Settings } from "../config/knobs.ts";
import { digestKeyOf } from "../machine/hashing.ts";
import { AddressPolicy } from "../peer/address-policy.ts";
import type { PeerPorts } from "../peer/routes.ts";
import { HttpTransport } from "../peer/transport.ts";
import { Seeds } from "./seeds.ts";

export interface MemberParts {
  readonly settings: Settings;
  /** `HOST:PORT` at which peers reach this node. */
  readonly address: string;
  readonly node: Node;
  readonly store: Store;
  readonly incarnation: Incarnation;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly peers: PeerPorts;
  /** The node's id was retired by somebody else. */
  retired(): void;
}

export interface OpenedMember {
  readonly member: ClusterMember;
  /** Closes the connections to peers, and asks for no names any more. */
  close(): Promise<void>;
}

/** Writes of which each waits for replicas: a few full batches. */
const MAX_PENDING_ACKS = 10_000;

export const TIMERS: Timers = {
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    // A timer takes a millisecond at least; what is due at once waits only for what has arrived by now.
    if (ms <= 0) {
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export function openMember(parts: MemberParts): OpenedMember {
  const { settings, node, store, clock, log, metrics, peers } = parts;
  const transport = new HttpTransport({
    cluster: settings.cluster,
    from: (): NodeId => node.id,
    policy: new AddressPolicy(settings["peers.allowedRanges"]),
    authentication: peers.authentication,
    maxMessageBytes: hardLimit(settings),
    localAddress: settings["peers.localAddress"],
    connectTimeoutMs: settings["peers.connectTimeoutMs"],
    keepAliveMs: settings["peers.keepAliveMs"],
    connectionsPerPeer: settings["peers.connections"],
    maxPools: SWIM_DEFAULTS.membersMax,
    traffic: peers.traffic,
    failures: peers.failures,
    monotonicMs: TIMERS.monotonicMs,
  });
  const seeds = new Seeds(TIMERS);
  const member = new ClusterMember(
    memberConfig(parts),
    {
      node,
      store,
      digests: store,
      graveyard: store,
      facts: store,
      clock,
      timers: TIMERS,
      transport,
      resolveSeed: (entry) => seeds.addresses(entry),
      random: new SeededRandom(randomInt(2 ** 32)),
      log,
      metrics,
    },
    { retired: parts.retired },
  );
  const close = async (): Promise<void> => {
    seeds.close();
    await transport.close();
  };
  return { member, close };
}

/** What messages hold beside records: member tables, hashes of nodes, a record's context. Counts bound each to less. */
const BESIDE_RECORDS_BYTES = 1024 * 1024;

/** A message may be larger than its budget by one record, which travels alone. */
export function hardLimit(settings: Settings): number {
  const largestRecord = settings["limits.maxValueBytes"] * settings["conflicts.maxSiblings"];
  return settings["gossip.maxMessageBytes"] + largestRecord + BESIDE_RECORDS_BYTES;
}

function sharedLimits(settings: Settings): SharedLimits {
  const digestKey = digestKeyOf(settings.cluster, settings["security.digestSecret"]);
  return {
    maxValueBytes: settings["limits.maxValueBytes"],
    maxSiblings: settings["conflicts.maxSiblings"],
    maxMessageBytes: settings["gossip.maxMessageBytes"],
    tombstoneRetentionMs: settings["tombstones.minRetentionMs"],
    digestKeyId: createHash("sha256")
      .update("hearsay digest key id")
      .update(digestKey)
      .digest("hex")
      .slice(0, 16),
  };
}

function memberConfig({ settings, address, incarnation }: MemberParts): MemberConfig {
  return {
    address,
    zone: settings.zone,
    build: BUILD,
    protocol: { min: WIRE_VERSION_MIN, max: WIRE_VERSION },
    seeds: settings.join,
    incarnation,
    swim: {
      ...SWIM_DEFAULTS,
      probeIntervalMs: settings["swim.probeIntervalMs"],
      probeTimeoutMs: settings["swim.probeTimeoutMs"],
      indirectProbes: settings["swim.indirectProbes"],
      suspicionMult: settings["swim.suspicionMult"],
      pushPullIntervalMs: settings["swim.pushPullIntervalMs"],
      reconnectIntervalMs: settings["swim.reconnectIntervalMs"],
    },
    rumors: {
      ...DEFAULT_RUMOR_OPTIONS,
      mode: settings["rumor.mode"],
      coalesceMs: settings["rumor.coalesceMs"],
      fanout: settings["rumor.fanout"],
      directMailMax: settings["rumor.directMailMax"],
      inlineMaxBytes: settings["rumor.inlineMaxBytes"],
      maxMessageBytes: settings["gossip.maxMessageBytes"],
    },
    antiEntropy: {
      ...ANTI_ENTROPY_DEFAULTS,
      intervalMs: settings["antiEntropy.intervalMs"],
      maxBytesPerSecond: settings["antiEntropy.maxBytesPerSecond"],
      quietHours: settings["antiEntropy.quietHours"],
    },
    exchange: { ...EXCHANGE_LIMITS, maxMessageBytes: settings["gossip.maxMessageBytes"] },
    tombstoneRetentionMs: settings["tombstones.minRetentionMs"],
    stateIntervalMs: settings["gossip.stateIntervalMs"],
    maxPendingAcks: MAX_PENDING_ACKS,
    limits: sharedLimits(settings),
    hash: (text) => hash("sha256", text, "hex").slice(0, 16),
  };
}
