/** The protocol machines with the product's own defaults, over more and more nodes on a virtual local network. */
import { DEFAULT_RUMOR_OPTIONS, type Member } from "@hearsay/core";
import { LAN } from "../machines/call-network.ts";
import { RumorCluster } from "../machines/rumor-cluster.ts";
import { runRumorCycles } from "../machines/rumor-cycles.ts";
import { SwimCluster } from "../machines/swim-cluster.ts";
import { WatermarkCluster } from "../machines/watermark-cluster.ts";

export interface Measure {
  readonly name: string;
  readonly value: number;
}

export type ScaleName = "rumors" | "swim" | "watermark";

export interface ScaleRun {
  readonly experiment: ScaleName;
  readonly nodes: number;
  /** Said of a run that is not the whole of it. */
  readonly note: string | undefined;
  readonly measures: readonly Measure[];
}

const COMMIT_MS: readonly [number, number] = [0.5, 2];
const VALUE_BYTES = 100;
/** Between writes, so that each spreads alone. */
const APART_MS = 1000;
/** Deliveries a run is made of, so that small clusters are measured over many writes. */
const DELIVERIES = 10_000;
const WRITES_MAX = 30;

/** Lone writes, by rumors alone. */
export function rumorScale(nodes: number): ScaleRun {
  const cluster = new RumorCluster({ nodes, seed: 1, network: LAN, commitMs: COMMIT_MS });
  const writes = Math.min(WRITES_MAX, Math.max(1, Math.ceil(DELIVERIES / nodes)));
  for (let i = 0; i < writes; i++) cluster.write(i * APART_MS, (i * 7) % nodes, `key-${i}`, VALUE_BYTES);
  cluster.agenda.finish();
  const delays = [...cluster.spreads.values()].flatMap(({ delaysMs }) => delaysMs).sort((a, b) => a - b);
  // Delays are kept in the order in which they end.
  const lasts = [...cluster.spreads.values()].map(({ delaysMs }) => delaysMs.at(-1) ?? 0);
  const { fanout } = DEFAULT_RUMOR_OPTIONS;
  const endless = { mode: "push", interest: "feedback_counter", k: Number.POSITIVE_INFINITY } as const;
  const rounds = runRumorCycles({ ...endless, nodes, fanout, seed: 1, cyclesMax: 1000 }).lastCycle;
  const { traffic } = cluster.network;
  return {
    experiment: "rumors",
    nodes,
    note: undefined,
    measures: [
      { name: "rounds until all know, synchronous", value: rounds },
      { name: "ms until 99% know", value: delays[Math.floor(delays.length * 0.99)] ?? 0 },
      { name: "ms until the last one knows", value: lasts.reduce((sum, each) => sum + each, 0) / writes },
      { name: "share left to anti-entropy", value: 1 - delays.length / (writes * (nodes - 1)) },
      { name: "messages a node and write", value: traffic.messages / writes / nodes },
      { name: "bytes a node and write", value: traffic.bytes / writes / nodes },
    ],
  };
}

/** Above this, full tables in all nodes would not fit the memory of one process: ten thousand hold 100 million entries. */
const FULL_TABLES_MAX = 1000;
const KNOWN = 300;
const REST_MS = 60_000;
const DETECTED_WITHIN_MS = 180_000;
const NEVER_MS = 1e9;

/** A cluster at rest, and then the failure of one member. */
export function swimScale(nodes: number): ScaleRun {
  const isFull = nodes <= FULL_TABLES_MAX;
  const cluster = new SwimCluster({
    nodes,
    seed: 1,
    network: LAN,
    // Members that know a part of the others would end up with all of them by exchanging tables.
    ...(isFull ? {} : { knownMax: KNOWN, config: { pushPullIntervalMs: NEVER_MS } }),
  });
  const { agenda, members, network } = cluster;
  agenda.advance(1000);
  const before = { ...network.traffic };
  const restMs = isFull ? REST_MS : REST_MS / 6;
  agenda.advance(restMs);
  const perSecond = (nodes * restMs) / 1000;
  const messages = (network.traffic.messages - before.messages) / perSecond;
  const bytes = (network.traffic.bytes - before.bytes) / perSecond;
  const detection = failOne(cluster, members[nodes >> 1]);
  return {
    experiment: "swim",
    nodes,
    note: isFull ? undefined : `each knows ${KNOWN} others, tables are not exchanged`,
    measures: [
      { name: "messages a node and second", value: messages },
      { name: "bytes a node and second", value: bytes },
      { name: "s until first suspected", value: detection.suspectedMs / 1000 },
      { name: "s until 99% hold it dead", value: detection.mostMs / 1000 },
      { name: "share that holds it dead", value: detection.share },
    ],
  };
}

function failOne(cluster: SwimCluster, victim: Member | undefined) {
  const { agenda, members } = cluster;
  if (victim === undefined) return { suspectedMs: 0, mostMs: 0, share: 0 };
  const failedMs = agenda.nowMs;
  const told = new Set<string>();
  const others = members.length - 1;
  let suspectedMs: number | undefined;
  let mostMs: number | undefined;
  cluster.onEvent = (at, event) => {
    if (event.kind !== "member-changed" || event.member.id !== victim.id) return;
    if (event.member.state === "suspect") suspectedMs ??= agenda.nowMs - failedMs;
    if (event.member.state !== "dead") return;
    told.add(at.id);
    if (told.size >= 0.99 * others) mostMs ??= agenda.nowMs - failedMs;
  };
  cluster.network.crash(victim.address);
  agenda.until(() => told.size === others, DETECTED_WITHIN_MS);
  return {
    suspectedMs: suspectedMs ?? Number.NaN,
    mostMs: mostMs ?? Number.NaN,
    share: told.size / others,
  };
}

const COUNTED = 100;
const WARM_MS = 25_000;
const SAMPLES = 10;

/** A cluster that has converged and where nobody writes. */
export function watermarkScale(nodes: number): ScaleRun {
  const isFull = nodes <= FULL_TABLES_MAX;
  const counted = isFull ? nodes : COUNTED;
  const cluster = new WatermarkCluster({ nodes, seed: 1, network: LAN, counted });
  const { agenda, network } = cluster;
  agenda.advance(WARM_MS);
  const before = { bytes: network.traffic.bytes, exchange: cluster.exchangeBytes };
  const lags: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    agenda.advance(1000);
    for (const lag of cluster.lagsMs()) lags.push(lag);
  }
  const perSecond = nodes * SAMPLES;
  const exchange = (cluster.exchangeBytes - before.exchange) / perSecond;
  const states = (network.traffic.bytes - before.bytes) / perSecond - exchange;
  return {
    experiment: "watermark",
    nodes,
    note: isFull ? undefined : `${COUNTED} of the nodes are counted, the others pass on`,
    measures: [
      {
        name: "s the watermark lags, mean",
        value: lags.reduce((sum, lag) => sum + lag, 0) / lags.length / 1000,
      },
      {
        name: "s the watermark lags, most",
        value: lags.reduce((most, lag) => Math.max(most, lag), 0) / 1000,
      },
      { name: "bytes of exchanges a node and second", value: exchange },
      { name: "bytes of node states a node and second", value: states },
    ],
  };
}
