/**
 * What popular articles on gossip say: a thousand nodes know within about log2 n rounds of two contacts; less than 100 ms to all
 * nodes cannot be had; 128 nodes take 60 kB/s each. Beside rounds, all with the product's own defaults on a local network.
 */
import { LAN } from "../machines/call-network.ts";
import { RumorCluster } from "../machines/rumor-cluster.ts";
import { meanOfCycles } from "../machines/rumor-cycles.ts";
import { SwimCluster } from "../machines/swim-cluster.ts";
import { WatermarkCluster } from "../machines/watermark-cluster.ts";
import { type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";
import { endless } from "./rounds.ts";

const ROUNDS_NODES = 1000;
const ROUNDS_FANOUT = 2;
const ROUNDS_RUNS = 20;
/** "About": a round and a half to either side. */
const ROUNDS_ABOUT = 1.5;

const DELAY_SIZES: readonly number[] = [32, 128, 1000];
const DELAY_MS = 100;
const COMMIT_MS: readonly [number, number] = [0.5, 2];
const DELAY_WRITES = 20;
/** Between writes, so that each spreads alone. */
const APART_MS = 1000;
const VALUE_BYTES = 100;

const REST_NODES = 128;
const REST_WARM_MS = 10_000;
const REST_MS = 20_000;
const REST_KB = 60;

/** Milliseconds until the last node that rumors reach holds a write, and the share of deliveries left to anti-entropy. */
function delaysToAll(nodes: number, writes: number, loss: number) {
  const cluster = new RumorCluster({ nodes, seed: 1, network: { ...LAN, loss }, commitMs: COMMIT_MS });
  for (let i = 0; i < writes; i++) cluster.write(i * APART_MS, (i * 7) % nodes, `key-${i}`, VALUE_BYTES);
  cluster.agenda.finish();
  const spreads = [...cluster.spreads.values()];
  const reached = spreads.reduce((sum, { delaysMs }) => sum + delaysMs.length, 0);
  const lasts = spreads.map(({ delaysMs }) => delaysMs.at(-1) ?? 0).sort((a, b) => a - b);
  return {
    medianMs: lasts[lasts.length >> 1] ?? 0,
    mostMs: lasts.at(-1) ?? 0,
    residue: 1 - reached / (writes * (nodes - 1)),
  };
}

/** Bytes a node and second of membership, node states and exchanges, where nobody writes. */
function restBytes(nodes: number): number {
  const swim = new SwimCluster({ nodes, seed: 1, network: LAN });
  const watermark = new WatermarkCluster({ nodes, seed: 1, network: LAN });
  let bytes = 0;
  for (const { agenda, network } of [swim, watermark]) {
    agenda.advance(REST_WARM_MS);
    const before = network.traffic.bytes;
    agenda.advance(REST_MS);
    bytes += network.traffic.bytes - before;
  }
  return bytes / nodes / (REST_MS / 1000);
}

export function articles(settings: PaperSettings): PaperTable {
  const { nodes = ROUNDS_NODES, fanout = ROUNDS_FANOUT, loss = 0, runs = ROUNDS_RUNS } = settings;
  const isPublished = fanout === ROUNDS_FANOUT && loss === 0;
  const logarithm = Math.log2(nodes);
  const spread: Figure = {
    setting: `${nodes} nodes, ${fanout} contacts a round, mean of ${runs} runs`,
    name: "rounds until all know",
    published: isPublished ? `about log2 n = ${logarithm.toFixed(1)}` : undefined,
    measured: meanOfCycles(endless("push", { nodes, fanout, loss }), runs).lastCycle,
    band: isPublished ? [logarithm - ROUNDS_ABOUT, logarithm + ROUNDS_ABOUT] : undefined,
  };
  const sizes = settings.nodes === undefined ? DELAY_SIZES : [settings.nodes];
  const writes = Math.min(runs, DELAY_WRITES);
  const delays = sizes.flatMap((size): Figure[] => {
    const { medianMs, mostMs, residue } = delaysToAll(size, writes, loss);
    const setting = `${size} nodes on a local network, ${writes} lone writes`;
    const plain = { setting, published: undefined, band: undefined };
    const band = loss === 0 && settings.nodes === undefined ? ([0, DELAY_MS] as const) : undefined;
    return [
      { ...plain, name: "ms until the last node knows, median", measured: medianMs },
      {
        setting,
        name: "ms until the last node knows, most",
        published: band === undefined ? undefined : `not under ${DELAY_MS}`,
        measured: mostMs,
        band,
      },
      { ...plain, name: "share left to anti-entropy", measured: residue },
    ];
  });
  const rest = settings.nodes ?? REST_NODES;
  const restKb: Figure = {
    setting: `${rest} nodes at rest, bytes as encoded, without HTTP`,
    name: "kB a node and second",
    published: rest === REST_NODES ? `${REST_KB}` : undefined,
    measured: restBytes(rest) / 1000,
    band: rest === REST_NODES ? [0, REST_KB] : undefined,
  };
  return {
    name: "articles",
    source: "popular articles on gossip protocols",
    setting: `${percent(loss)} of messages lost`,
    figures: [spread, ...delays, restKb],
  };
}
