/**
 * Gossip Glomers (Fly.io and Kyle Kingsbury, 2023), challenges 3d and 3e: 25 nodes, links of 100 ms, 100 writes a second for
 * 20 s. Every message between nodes counts, replies too; the latency of a write is the time until all nodes hold it.
 */
import type { RumorOptions } from "@hearsay/core";
import { RumorCluster } from "../machines/rumor-cluster.ts";
import { type Band, type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";

const NODES = 25;
const LINK_MS = 100;
const WRITES_PER_SECOND = 100;
const SECONDS = 20;
/** Of one number, the value of the challenge. */
const VALUE_BYTES = 8;

interface Challenge {
  readonly name: string;
  /** Rounds that share one message among all writes of this time. */
  readonly roundIntervalMs: number;
  readonly messages: Band;
  readonly medianMs: Band;
  readonly maximumMs: Band;
}

const CHALLENGES: readonly Challenge[] = [
  {
    name: "3d, efficient: rounds of 50 ms",
    roundIntervalMs: 50,
    messages: [0, 30],
    medianMs: [0, 400],
    maximumMs: [0, 600],
  },
  {
    name: "3e, batching: rounds of 100 ms",
    roundIntervalMs: 100,
    messages: [0, 20],
    medianMs: [0, 1000],
    maximumMs: [0, 2000],
  },
];

export interface GlomersRun {
  readonly messagesPerWrite: number;
  readonly medianMs: number;
  readonly maximumMs: number;
  /** Share of (node, write) pairs that rumors alone left out. */
  readonly residue: number;
}

export function runGlomers(
  options: Partial<RumorOptions>,
  {
    nodes,
    loss,
    seed,
    seconds,
  }: { readonly nodes: number; readonly loss: number; readonly seed: number; readonly seconds: number },
): GlomersRun {
  const cluster = new RumorCluster({
    nodes,
    seed,
    network: { latencyMs: [LINK_MS, LINK_MS], loss },
    commitMs: [0, 0],
    // A number is smaller than its announcement, so it always goes along.
    options: { directMailMax: 0, inlineShare: Number.POSITIVE_INFINITY, ...options },
  });
  const writes = WRITES_PER_SECOND * seconds;
  for (let i = 0; i < writes; i++) {
    cluster.write((i * 1000) / WRITES_PER_SECOND, (i * 7) % nodes, `key-${i}`, VALUE_BYTES);
  }
  cluster.agenda.finish();
  const spreads = [...cluster.spreads.values()];
  const reached = spreads.reduce((sum, { delaysMs }) => sum + delaysMs.length, 0);
  const latencies = spreads.map(({ delaysMs }) => Math.max(0, ...delaysMs)).sort((a, b) => a - b);
  return {
    messagesPerWrite: cluster.network.traffic.messages / writes,
    medianMs: latencies[latencies.length >> 1] ?? 0,
    maximumMs: latencies.at(-1) ?? 0,
    residue: 1 - reached / (writes * (nodes - 1)),
  };
}

export function glomers(settings: PaperSettings): PaperTable {
  const { nodes = NODES, loss = 0, fanout, k } = settings;
  const isPublished = nodes === NODES && loss === 0 && fanout === undefined && k === undefined;
  const own = { ...(fanout === undefined ? {} : { fanout }), ...(k === undefined ? {} : { k }) };
  const figures = CHALLENGES.flatMap((challenge): Figure[] => {
    const run = runGlomers(
      { roundIntervalMs: challenge.roundIntervalMs, ...own },
      { nodes, loss, seed: 1, seconds: SECONDS },
    );
    const under = (name: string, measured: number, band: Band): Figure => ({
      setting: challenge.name,
      name,
      published: isPublished ? `under ${band[1]}` : undefined,
      measured,
      band: isPublished ? band : undefined,
    });
    return [
      under("messages per write", run.messagesPerWrite, challenge.messages),
      under("median latency, ms", run.medianMs, challenge.medianMs),
      under("maximum latency, ms", run.maximumMs, challenge.maximumMs),
      {
        setting: challenge.name,
        name: "share of deliveries left out",
        published: isPublished ? "0" : undefined,
        measured: run.residue,
        band: isPublished ? [0, 0] : undefined,
      },
    ];
  });
  return {
    name: "glomers",
    source: "Gossip Glomers, challenges 3d and 3e",
    setting: `${nodes} nodes, links of ${LINK_MS} ms, ${WRITES_PER_SECOND} writes a second for ${SECONDS} s, ${percent(loss)} lost`,
    figures,
  };
}
