/** Every knob of a node, in one table. `docs/configuration.md` lists the same; a test compares the two. */
import { DEFAULT_PORT } from "@hearsay/api";
import type { ConflictPolicy } from "@hearsay/core";
import { CLUSTER_KNOBS, type ClusterSettings } from "./cluster-knobs.ts";
import { bytes, choice, count, duration, flag, type Knob, policies, text } from "./knob.ts";
import { SECURITY_KNOBS, type SecuritySettings } from "./security-knobs.ts";
import { TEST_KNOBS, type TestSettings } from "./test-knobs.ts";
import { WATCH_KNOBS, type WatchSettings } from "./watch-knobs.ts";

export interface Settings extends ClusterSettings, SecuritySettings, TestSettings, WatchSettings {
  readonly name: string;
  readonly cluster: string;
  readonly data: string;
  readonly listen: string;
  readonly durability: "fsync" | "os";
  readonly "log.level": "debug" | "info" | "warn" | "error" | "silent";
  readonly "log.requests": boolean;
  readonly "clock.maxDriftMs": number;
  readonly "conflicts.maxSiblings": number;
  readonly "conflicts.policy": ReadonlyMap<string, ConflictPolicy>;
  readonly "history.maxVersions": number;
  readonly "store.cacheMaxBytes": number;
  readonly "store.blockCacheBytes": number;
  readonly "store.writeBufferBytes": number;
  readonly "store.pendingMaxBytes": number;
  readonly "store.snapshotMaxChanged": number;
  readonly "store.retryIntervalMs": number;
  readonly "limits.maxValueBytes": number;
  readonly "limits.maxBatchBytes": number;
  readonly "limits.maxRestoreBytes": number;
  readonly "limits.maxInFlightBytes": number;
  readonly "limits.maxPageBytes": number;
  readonly "limits.maxHeaderBytes": number;
  readonly "limits.maxConnections": number;
  readonly "limits.maxScans": number;
  readonly "limits.maxWaiters": number;
  readonly "limits.headersTimeoutMs": number;
  readonly "limits.requestTimeoutMs": number;
  readonly "limits.keepAliveTimeoutMs": number;
  readonly "limits.timeoutCheckMs": number;
  readonly "limits.slowReaderTimeoutMs": number;
  readonly "overload.scansLagMs": number;
  readonly "overload.writesLagMs": number;
  readonly "overload.readsLagMs": number;
  readonly "shutdown.graceMs": number;
}

export type KnobName = keyof Settings;

const MS_MAX = 2_147_483_647;
/** To the time for which it keeps a connection, so that the client closes first. */
const NODE_ADDS_MS = 1_000;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const KNOBS: { readonly [Name in KnobName]: Knob<Settings[Name]> } = {
  name: text({
    sets: "the node's name; every node of a cluster has its own",
    reason: "empty takes the name the data directory already has, or else the machine's",
    fallback: "",
    pattern: /^(?:|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)$/,
    form: "1 to 63 letters, digits, dots, hyphens and underscores, a letter or digit first and last",
  }),
  cluster: text({
    sets: "the cluster's name; a data directory of another cluster is refused",
    reason: "one cluster on a machine needs no name of its own",
    fallback: "hearsay",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
    form: "1 to 63 letters, digits, dots, hyphens and underscores, a letter or digit first",
  }),
  data: text({
    sets: "the data directory; it is created where there is none",
    reason: "visible, and beside where the node was started",
    fallback: "hearsay-data",
    pattern: /./,
    form: "a path",
  }),
  listen: text({
    sets: "the address and port to listen on; port 0 takes a free one",
    reason: "nothing but this machine can reach a node that checks no tokens",
    fallback: `127.0.0.1:${DEFAULT_PORT}`,
    pattern: /^(?:\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9._-]+):\d{1,5}$/,
    form: "HOST:PORT or [IPV6]:PORT",
  }),
  ...SECURITY_KNOBS,
  durability: choice({
    sets: "when a write is acknowledged: on disk (fsync), or with the operating system (os)",
    reason:
      "an acknowledged write survives a power cut; with os it survives only the end of the process. Who the node is and who is in its cluster is synced with both",
    fallback: "fsync",
    options: ["fsync", "os"],
  }),
  "log.level": choice({
    sets: "the least severe events that are logged, as JSON lines on standard output",
    reason: "what an operator acts upon, and starts and stops",
    fallback: "info",
    options: ["debug", "info", "warn", "error", "silent"],
  }),
  "log.requests": flag({
    sets: "whether each request is logged",
    reason: "a line a request costs more than the request; metrics count them",
    fallback: false,
  }),
  "clock.maxDriftMs": duration({
    sets: "how far ahead of this node's clock a foreign time may be",
    reason: "far above what NTP leaves, far below what would keep old values on top for long",
    fallback: 10_000,
    min: 100,
    max: 3_600_000,
  }),
  "conflicts.maxSiblings": count({
    sets: "how many concurrent versions of a key are kept",
    reason: "more than a person will look at, and a bound on what clients can pile up",
    fallback: 32,
    min: 1,
    max: 1024,
  }),
  "conflicts.policy": policies({
    sets: "by key prefix, whether concurrent versions are kept or only the newest; the longest prefix counts",
    reason: "nothing acknowledged is dropped unless asked for",
    fallback: new Map(),
  }),
  "history.maxVersions": count({
    sets: "how many versions of a key this node keeps, the current ones included",
    reason: "enough to take a mistake back, cheap for keys that change often",
    fallback: 10,
    min: 1,
    max: 1000,
  }),
  "store.cacheMaxBytes": bytes({
    sets: "memory for the newest records",
    reason: "reads of what was just written never reach the database",
    fallback: 32 * MIB,
    min: MIB,
    max: 64 * GIB,
  }),
  "store.blockCacheBytes": bytes({
    sets: "memory for LevelDB's block cache",
    reason: "brings down the cost of a read among a million keys",
    fallback: 32 * MIB,
    min: MIB,
    max: 64 * GIB,
  }),
  "store.writeBufferBytes": bytes({
    sets: "LevelDB's write buffer",
    reason: "few table files while writing, and quickly replayed at a start",
    fallback: 8 * MIB,
    min: 64 * KIB,
    max: GIB,
  }),
  "store.pendingMaxBytes": bytes({
    sets: "how many bytes of writes may wait for the disk; more are refused as overloaded",
    reason: "a quarter of a second of a slow disk, and more than the largest batch",
    fallback: 64 * MIB,
    min: MIB,
    max: 4 * GIB,
  }),
  "store.snapshotMaxChanged": count({
    sets: "how many keys may change behind a snapshot while it is taken",
    reason: "they are remembered in memory until the snapshot ends",
    fallback: 100_000,
    min: 1,
    max: 10_000_000,
  }),
  "store.retryIntervalMs": duration({
    sets: "how often a full or failed store looks whether it can go on",
    reason: "a person who made room does not wait",
    fallback: 1_000,
    min: 10,
    max: 600_000,
  }),
  "limits.maxValueBytes": bytes({
    sets: "the size of a value",
    reason: "configuration is small; larger values would delay the others behind them",
    fallback: MIB,
    min: 1,
    max: 64 * MIB,
  }),
  "limits.maxBatchBytes": bytes({
    sets: "the size of a batch's body",
    reason: "a thousand typical values; a batch is decoded in one go",
    fallback: 8 * MIB,
    min: KIB,
    max: 256 * MIB,
  }),
  "limits.maxRestoreBytes": bytes({
    sets: "the size of a snapshot that is restored; it is spooled in the data directory",
    reason: "many times a large store",
    fallback: 16 * GIB,
    min: KIB,
    max: 1024 * GIB,
  }),
  "limits.maxInFlightBytes": bytes({
    sets: "the bytes of clients' bodies that are held at one time, and again of other nodes'; more are refused as overloaded",
    reason: "bounds what slow or many senders can occupy",
    fallback: 64 * MIB,
    min: KIB,
    max: 16 * GIB,
  }),
  "limits.maxPageBytes": bytes({
    sets: "the bytes of values in one page of a listing; the page then ends early",
    reason: "a page is built in one go",
    fallback: 4 * MIB,
    min: KIB,
    max: 256 * MIB,
  }),
  "limits.maxHeaderBytes": bytes({
    sets: "the size of a request's head, its target included",
    reason: "room for a key of 1,024 escaped bytes and the longest context",
    fallback: 16 * KIB,
    min: 12 * KIB,
    max: MIB,
  }),
  "limits.maxConnections": count({
    sets: "the connections that are open at one time; more are closed at once",
    reason: "below the usual limit of open files for a service",
    fallback: 4_096,
    min: 1,
    max: 1_000_000,
  }),
  "limits.maxScans": count({
    sets: "listings, snapshots and batches of reads that run at one time; more are refused as overloaded",
    reason: "keeps the disk free for reads and writes of single keys",
    fallback: 16,
    min: 1,
    max: 10_000,
  }),
  "limits.maxWaiters": count({
    sets: "requests that wait for a version at one time; more are refused as overloaded",
    reason: "bounds what waiting clients can occupy",
    fallback: 1_024,
    min: 1,
    max: 1_000_000,
  }),
  "limits.headersTimeoutMs": duration({
    sets: "the time in which a request's head has to arrive",
    reason: "long for a bad line, short for someone who only occupies connections",
    fallback: 10_000,
    min: 10,
    max: MS_MAX,
  }),
  "limits.requestTimeoutMs": duration({
    sets: "the time in which a whole request has to arrive",
    reason: "a snapshot of many gigabytes over a slow line needs more",
    fallback: 300_000,
    min: 10,
    max: MS_MAX,
  }),
  "limits.keepAliveTimeoutMs": duration({
    sets: "how long an idle connection is kept",
    reason: "longer than the 60 s at which common proxies close theirs, so that they close first",
    fallback: 65_000,
    min: 1,
    max: MS_MAX - NODE_ADDS_MS,
  }),
  "limits.timeoutCheckMs": duration({
    sets: "how often connections are looked at for these time-outs",
    reason: "a time-out is at most this late",
    fallback: 1_000,
    min: 10,
    max: 600_000,
  }),
  "limits.slowReaderTimeoutMs": duration({
    sets: "how long an answer waits for its reader to take more before it is cut off",
    reason: "a stopped reader must not hold a scan, or a connection, for good",
    fallback: 60_000,
    min: 10,
    max: MS_MAX,
  }),
  "overload.scansLagMs": duration({
    sets: "the lag of the event loop from which listings and snapshots are refused",
    reason: "scans go first, because each costs the most",
    fallback: 100,
    min: 1,
    max: MS_MAX,
  }),
  "overload.writesLagMs": duration({
    sets: "the lag of the event loop from which writes are refused too",
    reason: "writes go before reads, because each leaves work behind",
    fallback: 300,
    min: 1,
    max: MS_MAX,
  }),
  "overload.readsLagMs": duration({
    sets: "the lag of the event loop from which reads are refused too",
    reason: "clients would have given up anyway",
    fallback: 1_000,
    min: 1,
    max: MS_MAX,
  }),
  "shutdown.graceMs": duration({
    sets: "how long a stop waits for requests in progress",
    reason: "less than the 10 to 30 s after which supervisors kill",
    fallback: 8_000,
    min: 0,
    max: 600_000,
  }),
  ...TEST_KNOBS,
  ...WATCH_KNOBS,
  ...CLUSTER_KNOBS,
};

export function isKnobName(name: string): name is KnobName {
  return Object.hasOwn(KNOBS, name);
}

export const KNOB_NAMES: readonly KnobName[] = Object.keys(KNOBS).filter(isKnobName);
