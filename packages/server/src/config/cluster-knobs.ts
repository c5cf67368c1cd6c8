/** The knobs of a node as a member of its cluster. */
import { ANTI_ENTROPY_DEFAULTS, DEFAULT_RUMOR_OPTIONS, SWIM_DEFAULTS } from "@hearsay/core";
import { parseRange } from "../peer/address-policy.ts";
import { bytes, choice, count, duration, type Knob, list, secret, text } from "./knob.ts";

export interface ClusterSettings {
  readonly advertise: string;
  readonly join: readonly string[];
  readonly zone: string;
  readonly "tombstones.minRetentionMs": number;
  readonly "antiEntropy.intervalMs": number;
  readonly "antiEntropy.maxBytesPerSecond": number;
  readonly "antiEntropy.quietHours": readonly number[];
  readonly "rumor.mode": "push" | "pull" | "push_pull";
  readonly "rumor.coalesceMs": number;
  readonly "rumor.fanout": number;
  readonly "rumor.directMailMax": number;
  readonly "rumor.inlineMaxBytes": number;
  readonly "gossip.maxMessageBytes": number;
  readonly "gossip.stateIntervalMs": number;
  readonly "swim.probeIntervalMs": number;
  readonly "swim.probeTimeoutMs": number;
  readonly "swim.indirectProbes": number;
  readonly "swim.suspicionMult": number;
  readonly "swim.pushPullIntervalMs": number;
  readonly "swim.reconnectIntervalMs": number;
  readonly "peers.allowedRanges": readonly string[];
  readonly "peers.localAddress": string;
  readonly "peers.connections": number;
  readonly "peers.connectTimeoutMs": number;
  readonly "peers.keepAliveMs": number;
  readonly "peers.refusalLogIntervalMs": number;
  readonly "security.acceptedSecret": string;
  readonly "security.digestSecret": string;
  readonly "security.messageWindowMs": number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR_MS = 3_600_000;
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;

export const CLUSTER_KNOBS: { readonly [Name in keyof ClusterSettings]: Knob<ClusterSettings[Name]> } = {
  advertise: text({
    sets: "the address and port at which other nodes reach this one",
    reason: "empty takes the address it listens on, unless that stands for all of the machine's",
    fallback: "",
    pattern: /^$|^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/,
    form: "HOST:PORT or [IPV6]:PORT",
  }),
  join: list({
    sets: "addresses of members to join through, or dns:NAME:PORT for all that a name leads to",
    reason: "empty begins a cluster of one",
    fallback: [],
    form: "HOST:PORT or dns:NAME:PORT, joined by commas",
    item: (given) => (ADDRESS.test(given.replace(/^dns:/, "")) ? given : undefined),
  }),
  zone: text({
    sets: "the failure domain this node is in; shown to operators",
    reason: "most clusters have one",
    fallback: "",
    pattern: /^[A-Za-z0-9._-]{0,63}$/,
    form: "up to 63 letters, digits, dots, hyphens and underscores",
  }),
  "tombstones.minRetentionMs": duration({
    sets: "how long a deletion is kept after every member has confirmed it; the same on all nodes",
    reason:
      "whatever goes wrong and is noticed within an hour is repaired like any difference; not below clock.maxDriftMs",
    fallback: HOUR_MS,
    min: 1_000,
    max: 2_147_483_647,
  }),
  "antiEntropy.intervalMs": duration({
    sets: "the mean time between exchanges this node starts; twice that while nothing is going on",
    reason: "what rumors miss is repaired within seconds, and an idle exchange is one small message each way",
    fallback: ANTI_ENTROPY_DEFAULTS.intervalMs,
    min: 10,
    max: HOUR_MS,
  }),
  "antiEntropy.maxBytesPerSecond": bytes({
    sets: "the bytes of records a second that exchanges started here may take on average; 0 for no bound",
    reason: "repair is wanted as fast as it goes",
    fallback: ANTI_ENTROPY_DEFAULTS.maxBytesPerSecond,
    min: 0,
    max: 1024 * MIB,
  }),
  "antiEntropy.quietHours": list({
    sets: "hours of the day, UTC, in which this node starts no exchange",
    reason: "repair is wanted at all times",
    fallback: [],
    form: "numbers from 0 to 23, joined by commas",
    item: (given) => (/^(?:\d|1\d|2[0-3])$/.test(given) ? Number(given) : undefined),
  }),
  "rumor.mode": choice({
    sets: "who hands fresh writes to whom: the one who calls, the one who is called, or both; the same on all nodes",
    reason: "both spreads fastest while much is written and costs nothing more",
    fallback: DEFAULT_RUMOR_OPTIONS.mode,
    options: ["push", "pull", "push_pull"],
  }),
  "rumor.coalesceMs": duration({
    sets: "how long a fresh write waits for others to share its message, beside the time the one before is under way",
    reason: "writes that come in quick succession share messages without it",
    fallback: DEFAULT_RUMOR_OPTIONS.coalesceMs,
    min: 0,
    max: 1_000,
  }),
  "rumor.fanout": count({
    sets: "how many random peers a fresh write is handed to at a time in larger clusters",
    reason: "two would do; the third shortens the tail",
    fallback: DEFAULT_RUMOR_OPTIONS.fanout,
    min: 1,
    max: 64,
  }),
  "rumor.directMailMax": count({
    sets: "up to how many live peers a write is mailed to all of them at once",
    reason: "below it that costs no node more than spreading by chance, and is there sooner",
    fallback: DEFAULT_RUMOR_OPTIONS.directMailMax,
    min: 0,
    max: 1_000,
  }),
  "rumor.inlineMaxBytes": bytes({
    sets: "up to which size a record travels with its announcement; larger ones are asked for",
    reason: "a packet or three, so that nobody gets large values twice",
    fallback: DEFAULT_RUMOR_OPTIONS.inlineMaxBytes,
    min: 0,
    max: MIB,
  }),
  "gossip.maxMessageBytes": bytes({
    sets: "the records in one message between nodes; a single larger record travels alone; the same on all nodes",
    reason: "room for the largest value, and short enough not to hold up probes behind it",
    fallback: DEFAULT_RUMOR_OPTIONS.maxMessageBytes,
    min: 8 * KIB,
    max: 64 * MIB,
  }),
  "gossip.stateIntervalMs": duration({
    sets: "how often a node says what it holds, and hands on what it heard of others; handed on half as often while nothing is going on",
    reason: "the watermark is a few seconds behind, at a few hundred bytes a second",
    fallback: 1_000,
    min: 50,
    max: 60_000,
  }),
  "swim.probeIntervalMs": duration({
    sets: "how often this node probes a member",
    reason: "finds failures within seconds at two small messages a member and second",
    fallback: SWIM_DEFAULTS.probeIntervalMs,
    min: 10,
    max: 60_000,
  }),
  "swim.probeTimeoutMs": duration({
    sets: "how long a probe waits before others are asked to try",
    reason: "a high percentile of the round trip between machines under load",
    fallback: SWIM_DEFAULTS.probeTimeoutMs,
    min: 5,
    max: 60_000,
  }),
  "swim.indirectProbes": count({
    sets: "how many members are asked to try when a probe fails",
    reason: "a path broken to one member alone does not accuse it",
    fallback: SWIM_DEFAULTS.indirectProbes,
    min: 0,
    max: 32,
  }),
  "swim.suspicionMult": count({
    sets: "how many probe intervals, times the logarithm of the size, a suspect has to speak up",
    reason: "long enough to hear of it and refute through other members",
    fallback: SWIM_DEFAULTS.suspicionMult,
    min: 2,
    max: 32,
  }),
  "swim.pushPullIntervalMs": duration({
    sets: "how often whole member tables are exchanged with somebody",
    reason: "repairs what gossip missed",
    fallback: SWIM_DEFAULTS.pushPullIntervalMs,
    min: 100,
    max: HOUR_MS,
  }),
  "swim.reconnectIntervalMs": duration({
    sets: "how often, over the whole cluster, a member that is down is tried again",
    reason: "bounds how long a healed partition stays apart",
    fallback: SWIM_DEFAULTS.reconnectIntervalMs,
    min: 100,
    max: HOUR_MS,
  }),
  "peers.allowedRanges": list({
    sets: "networks in which other nodes may be; link-local addresses never are",
    reason: "a cluster may span any network; narrow it where peers are not trusted to name addresses",
    fallback: ["0.0.0.0/0", "::/0"],
    form: "networks such as 10.0.0.0/8, joined by commas",
    item: (given) => (parseRange(given) === undefined ? undefined : given),
  }),
  "peers.localAddress": text({
    sets: "which of this machine's addresses this node calls other nodes from",
    reason: "empty leaves it to the system, which is right but for firewalls that go by it",
    fallback: "",
    pattern: /^[0-9a-fA-F.:]*$/,
    form: "an IP address",
  }),
  "peers.connections": count({
    sets: "connections to each other node",
    reason: "rumors, an exchange and a probe do not wait for one another",
    fallback: 4,
    min: 2,
    max: 64,
  }),
  "peers.connectTimeoutMs": duration({
    sets: "how long connecting to another node may take",
    reason: "long for any network, short for a probe",
    fallback: 1_000,
    min: 10,
    max: 60_000,
  }),
  "peers.keepAliveMs": duration({
    sets: "how long an unused connection to another node is kept; below the other's limits.keepAliveTimeoutMs",
    reason: "probes come every second, so connections of live members stay open",
    fallback: 30_000,
    min: 100,
    max: HOUR_MS,
  }),
  "peers.refusalLogIntervalMs": duration({
    sets: "how often refused messages of one kind are logged",
    reason: "a broken peer is seen soon and does not fill the log",
    fallback: 10_000,
    min: 100,
    max: HOUR_MS,
  }),
  "security.acceptedSecret": secret({
    sets: "a second cluster secret that is accepted but not used, while secrets are rotated",
    reason: "none is being rotated",
    fallback: "",
    minLength: 16,
  }),
  "security.digestSecret": secret({
    sets: "what keys the record digests, beside the cluster's name; the same on all nodes, and not rotated",
    reason: "empty keys them with the cluster's name, which suffices while clients are trusted",
    fallback: "",
    minLength: 16,
  }),
  "security.messageWindowMs": duration({
    sets: "how far a peer's clock may be from this node's for its messages to be accepted",
    reason: "above clock.maxDriftMs, so that a wrong clock is reported as such",
    fallback: 30_000,
    min: 1_000,
    max: HOUR_MS,
  }),
};
