/**
 * Das, Gupta, Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol" (2002): the
 * first detection of a failure (section 3.1), the bound by round-robin (section 4.3), and the messages.
 */
import { LAN } from "../machines/call-network.ts";
import { SwimCluster } from "../machines/swim-cluster.ts";
import { bandAround, type Figure, type PaperSettings, type PaperTable, percent } from "./figure.ts";

const SIZES: readonly number[] = [8, 32, 128];
const TRIALS = 400;
const PERIOD_MS = 1000;
const IDLE_PERIODS = 60;
/** Members of the round-robin experiment, which runs for so many rounds of the list. */
const ROUND_ROBIN_NODES = 32;
const ROUND_ROBIN_PASSES = 50;
/** Of the geometric distribution, at most, for any number of members. */
const DEVIATION = 0.96;
const NEVER_MS = 1e9;

/** 1 / (1 - (1 - 1 / (n - 1))^(n - 1)) periods. */
function expectedDetection(nodes: number): number {
  return 1 / (1 - (1 - 1 / (nodes - 1)) ** (nodes - 1));
}

/** The mean over many failures of the periods until somebody probes the failed member, the first one counting as 1. */
function firstDetection(nodes: number, trials: number, loss: number): number {
  const cluster = new SwimCluster({
    nodes,
    seed: nodes,
    network: { ...LAN, loss },
    config: { probeOrder: "random", pushPullIntervalMs: NEVER_MS, membersMax: Math.max(1024, nodes) },
  });
  const { agenda, members } = cluster;
  agenda.advance(2 * PERIOD_MS);
  let periods = 0;
  for (let trial = 0; trial < trials; trial++) {
    const victim = members[trial % nodes];
    if (victim === undefined) continue;
    let probed = false;
    cluster.onRequest = (_from, to, message) => {
      if (to.id === victim.id && message.kind === "ping") probed = true;
    };
    cluster.network.crash(victim.address);
    const tookMs = agenda.until(() => probed, 2 * nodes * PERIOD_MS) ?? 2 * nodes * PERIOD_MS;
    // It comes back before helpers are asked, so every trial starts from a healthy cluster.
    cluster.network.revive(victim.address);
    agenda.advance(2 * PERIOD_MS);
    periods += Math.ceil(tookMs / PERIOD_MS);
  }
  return periods / trials;
}

/** The longest time, in periods, between two probes of one member by another. */
function longestBetweenProbes(nodes: number, passes: number, loss: number): number {
  const cluster = new SwimCluster({ nodes, seed: 5, network: { ...LAN, loss } });
  const { agenda } = cluster;
  const lastMs = new Map<string, number>();
  let longestMs = 0;
  cluster.onRequest = (from, to, message) => {
    if (message.kind !== "ping") return;
    const pair = `${from.id} ${to.id}`;
    longestMs = Math.max(longestMs, agenda.nowMs - (lastMs.get(pair) ?? agenda.nowMs));
    lastMs.set(pair, agenda.nowMs);
  };
  agenda.advance(passes * nodes * PERIOD_MS);
  return longestMs / PERIOD_MS;
}

function messagesPerPeriod(nodes: number, loss: number): number {
  const cluster = new SwimCluster({ nodes, seed: nodes, network: { ...LAN, loss } });
  cluster.agenda.advance(IDLE_PERIODS * PERIOD_MS);
  return cluster.network.traffic.messages / nodes / IDLE_PERIODS;
}

export function swim(settings: PaperSettings): PaperTable {
  const { loss = 0, runs = TRIALS } = settings;
  const sizes = settings.nodes === undefined ? SIZES : [settings.nodes];
  const isPublished = loss === 0;
  const detections = sizes.map((nodes): Figure => {
    const expected = expectedDetection(nodes).toFixed(3);
    return {
      setting: `one random probe a member and period, ${nodes} members, mean of ${runs} failures`,
      name: "periods until first detection",
      published: isPublished ? expected : undefined,
      measured: firstDetection(nodes, runs, loss),
      band: isPublished ? bandAround(expected, DEVIATION, runs) : undefined,
    };
  });
  const ring = settings.nodes ?? ROUND_ROBIN_NODES;
  const passes = Math.min(ROUND_ROBIN_PASSES, Math.max(3, Math.ceil((runs * ROUND_ROBIN_PASSES) / TRIALS)));
  const roundRobin: Figure = {
    setting: `round-robin, ${ring} members, ${passes} passes`,
    name: "longest time between two probes of a pair, in periods",
    published: isPublished ? `at most ${2 * ring - 1}` : undefined,
    measured: longestBetweenProbes(ring, passes, loss),
    band: isPublished ? [ring, 2 * ring - 1] : undefined,
  };
  const messages = sizes.map(
    (nodes): Figure => ({
      setting: `at rest, ${nodes} members, ${IDLE_PERIODS} periods`,
      name: "messages a member and period, push-pulls included",
      published: isPublished ? "about 2" : undefined,
      measured: messagesPerPeriod(nodes, loss),
      band: isPublished ? [1.95, 2.1] : undefined,
    }),
  );
  return {
    name: "swim",
    source: "Das, Gupta, Motivala, SWIM, 2002",
    setting: `probes every ${PERIOD_MS} ms, messages 0.2 to 1 ms, ${percent(loss)} lost`,
    figures: [...detections, roundRobin, ...messages],
  };
}
