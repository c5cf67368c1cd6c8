/** What `/metrics` says. The only importer of prom-client; values are read when they are asked for. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { PeerPorts } from "../peer/routes.ts";
import type { Services } from "../services.ts";
import { clusterMetrics, type MetricSource, type Sample } from "./cluster.ts";
import type { EventCounts } from "./events.ts";
import { DURATION_BUCKETS_MS, type RequestMetrics } from "./requests.ts";
import { watchMetrics } from "./watch.ts";

/** Finer looks would wake an idle process many times a second; `hearsay_event_loop_lag_seconds` is finer under load. */
const LAG_PRECISION_MS = 1000;

export interface MetricSources {
  readonly requests: RequestMetrics;
  readonly events: EventCounts;
  freeBytes(): number;
}

/** Gauges and their help; each is documented in `docs/metrics.md`. */
const GAUGES: readonly {
  readonly name: string;
  readonly help: string;
  read(services: Services, sources: MetricSources): number;
}[] = [
  {
    name: "hearsay_ready",
    help: "1 when the node takes requests",
    read: ({ gate }) => (gate.phase === "ready" ? 1 : 0),
  },
  {
    name: "hearsay_records",
    help: "Keys with a record, deleted ones included",
    read: ({ store }) => store.stats().records,
  },
  {
    name: "hearsay_tombstones",
    help: "Records whose winner is a tombstone",
    read: ({ store }) => store.stats().tombstones,
  },
  {
    name: "hearsay_record_bytes",
    help: "Bytes of keys and stored records",
    read: ({ store }) => store.stats().bytes,
  },
  {
    name: "hearsay_damaged_records",
    help: "Records that fail their checksum",
    read: ({ store }) => store.stats().damaged,
  },
  {
    name: "hearsay_ghosts",
    help: "Versions that came back after their purge and are kept aside",
    read: ({ store }) => store.stats().ghosts,
  },
  {
    name: "hearsay_store_usable",
    help: "1 when the store takes writes",
    read: ({ store }) => (store.stats().condition === "ok" ? 1 : 0),
  },
  {
    name: "hearsay_pending_bytes",
    help: "Bytes of writes that wait for the disk",
    read: ({ store }) => store.stats().pendingBytes,
  },
  {
    name: "hearsay_cache_bytes",
    help: "Bytes of records held in memory",
    read: ({ store }) => store.stats().cacheBytes,
  },
  {
    name: "hearsay_prepared_answers",
    help: "Answers to reads that are held ready",
    read: ({ prepared }) => prepared.size,
  },
  {
    name: "hearsay_in_flight_body_bytes",
    help: "Bytes of request bodies held in memory",
    read: ({ budget, peers }) => budget.used + peers.budget.used,
  },
  { name: "hearsay_scans_running", help: "Listings and snapshots that run", read: ({ gate }) => gate.scans },
  { name: "hearsay_waiting_reads", help: "Reads that wait for a version", read: ({ node }) => node.waiting },
  {
    name: "hearsay_event_loop_lag_seconds",
    help: "How late timers fire",
    read: ({ gate }) => gate.lagMs / 1000,
  },
  {
    name: "hearsay_complete_through_seconds",
    help: "Unix time up to which the node holds every write",
    read: ({ cluster }) => cluster.completeThroughMs() / 1000,
  },
  {
    name: "hearsay_data_free_bytes",
    help: "Free space on the disk of the data directory",
    read: (_, sources) => sources.freeBytes(),
  },
];

export class NodeMetrics {
  readonly #registry: Registry = new Registry();
  readonly #requests: RequestMetrics;

  constructor(services: Services, sources: MetricSources) {
    this.#requests = sources.requests;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
    for (const { name, help, read } of GAUGES) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read(services, sources));
        },
      });
    }
    counter(registers, {
      name: "hearsay_commits_total",
      help: "Batches committed since the start",
      labelNames: [],
      read: () => [{ labels: {}, value: services.store.stats().commits }],
    });
    counter(registers, {
      name: "hearsay_requests_total",
      help: "Requests answered, by operation and status",
      labelNames: ["operation", "status"],
      read: () => requestCounts(sources.requests),
    });
    counter(registers, {
      name: "hearsay_requests_shed_total",
      help: "Requests refused as overload, by kind",
      labelNames: ["kind"],
      read: () => Object.entries(services.gate.shed).map(([kind, value]) => ({ labels: { kind }, value })),
    });
    counter(registers, {
      name: "hearsay_events_total",
      help: "What happened to the store and to conflicts, by event",
      labelNames: ["event"],
      read: () => [...sources.events.entries()].map(([event, value]) => ({ labels: { event }, value })),
    });
    this.#countPeers(services.peers, registers);
    for (const source of [...clusterMetrics(services), ...watchMetrics(services)]) {
      if (source.kind === "counter") counter(registers, source);
      else gauge(registers, source);
    }
  }

  #countPeers({ refusals, failures, traffic }: PeerPorts, registers: Registry[]): void {
    counter(registers, {
      name: "hearsay_peer_refusals_total",
      help: "Messages of other nodes that were refused, by code",
      labelNames: ["code"],
      read: () => [...refusals.counts()].map(([code, value]) => ({ labels: { code }, value })),
    });
    counter(registers, {
      name: "hearsay_peer_failures_total",
      help: "Requests to other nodes that came to nothing, by code",
      labelNames: ["code"],
      read: () => [...failures.counts()].map(([code, value]) => ({ labels: { code }, value })),
    });
    counter(registers, {
      name: "hearsay_peer_messages_total",
      help: "Messages exchanged with other nodes, asked and answered, by kind",
      labelNames: ["kind"],
      read: () =>
        [...traffic.counts()].map(([kind, { messages }]) => ({ labels: { kind }, value: messages })),
    });
    counter(registers, {
      name: "hearsay_peer_bytes_total",
      help: "Bytes of message bodies exchanged with other nodes, by kind and direction",
      labelNames: ["kind", "direction"],
      read: () =>
        [...traffic.counts()].flatMap(([kind, { sentBytes, receivedBytes }]) => [
          { labels: { kind, direction: "sent" }, value: sentBytes },
          { labels: { kind, direction: "received" }, value: receivedBytes },
        ]),
    });
  }

  /** In the text format of Prometheus. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    const body = `${await this.#registry.metrics()}\n${durationHistogram(this.#requests)}`;
    return { contentType: this.#registry.contentType, body };
  }
}

/** A counter whose counts are kept elsewhere. */
function counter(registers: Registry[], source: Omit<MetricSource, "kind">): void {
  new Counter({
    name: source.name,
    help: source.help,
    labelNames: source.labelNames,
    registers,
    collect() {
      this.reset();
      for (const { labels, value } of source.read()) this.inc(labels, value);
    },
  });
}

/** A gauge with labels, or with no value at times. */
function gauge(registers: Registry[], source: Omit<MetricSource, "kind">): void {
  new Gauge({
    name: source.name,
    help: source.help,
    labelNames: source.labelNames,
    registers,
    collect() {
      this.reset();
      for (const { labels, value } of source.read()) this.set(labels, value);
    },
  });
}

function requestCounts(requests: RequestMetrics): Sample[] {
  const samples: Sample[] = [];
  for (const [operation, { byStatus }] of requests.counts()) {
    for (const [status, value] of byStatus.entries()) {
      if (value > 0) samples.push({ labels: { operation, status: String(status) }, value });
    }
  }
  return samples;
}

/** Written out by hand, as prom-client has no histogram whose counts are kept elsewhere. */
function durationHistogram(requests: RequestMetrics): string {
  const name = "hearsay_request_duration_seconds";
  const lines = [
    `# HELP ${name} From the head of a request to the head of its answer, by operation`,
    `# TYPE ${name} histogram`,
  ];
  for (const [operation, { buckets, totalMs }] of requests.counts()) {
    let below = 0;
    for (const [i, value] of buckets.entries()) {
      below += value;
      const bound = DURATION_BUCKETS_MS[i];
      const le = bound === undefined ? "+Inf" : String(bound / 1000);
      lines.push(`${name}_bucket{operation="${operation}",le="${le}"} ${below}`);
    }
    lines.push(`${name}_sum{operation="${operation}"} ${totalMs / 1000}`);
    lines.push(`${name}_count{operation="${operation}"} ${below}`);
  }
  return `${lines.join("\n")}\n`;
}
