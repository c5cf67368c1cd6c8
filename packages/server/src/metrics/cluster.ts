/** What `/metrics` says of the cluster; each is documented in `docs/metrics.md`. Without a member there are no samples. */
import { hlcToMs } from "@hearsay/core";
import type { ClusterMember } from "@hearsay/node";
import type { Services } from "../services.ts";

export interface Sample {
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** A metric whose values are kept elsewhere and read when they are asked for. */
export interface MetricSource {
  readonly kind: "gauge" | "counter";
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  read(): readonly Sample[];
}

const STATES = ["alive", "suspect", "dead", "stopped"] as const;
/** All there are, as the compiler sees to. */
const JOINING_KINDS: Readonly<Record<ClusterMember["joiningState"]["kind"], null>> = {
  joining: null,
  refused: null,
  not_let_in: null,
  member: null,
};
const JOINING_STATES: readonly string[] = Object.keys(JOINING_KINDS);

export function clusterMetrics(services: Services): readonly MetricSource[] {
  return [...gauges(services), ...rumorCounters(services), ...droppedCounters(services)];
}

/** One value of the member this node is. */
function single(
  services: Services,
  metric: Omit<MetricSource, "labelNames" | "read"> & { value(member: ClusterMember): number },
): MetricSource {
  const { kind, name, help, value } = metric;
  return {
    kind,
    name,
    help,
    labelNames: [],
    read: () => {
      const member = services.cluster.attached;
      return member === undefined ? [] : [{ labels: {}, value: value(member) }];
    },
  };
}

function gauges(services: Services): MetricSource[] {
  const gauge = (name: string, help: string, value: (member: ClusterMember) => number): MetricSource =>
    single(services, { kind: "gauge", name, help, value });
  return [
    {
      kind: "gauge",
      name: "hearsay_members",
      help: "Counted members, by state",
      labelNames: ["state"],
      read: () => {
        const members = services.cluster.attached?.membership.members() ?? [];
        return STATES.map((state) => ({
          labels: { state },
          value: members.filter((member) => member.state === state).length,
        }));
      },
    },
    {
      kind: "gauge",
      name: "hearsay_joining",
      help: "1 for the state this node's joining is in",
      labelNames: ["state"],
      read: () => {
        const current = services.cluster.attached?.joiningState.kind;
        return JOINING_STATES.map((state) => ({ labels: { state }, value: state === current ? 1 : 0 }));
      },
    },
    gauge("hearsay_retired_ids", "Ids that are retired", (member) => member.membership.retiredCount),
    gauge("hearsay_writable", "1 when the node takes client writes", (member) =>
      member.notWritable() === undefined ? 1 : 0,
    ),
    gauge("hearsay_complete", "1 when the node has confirmed everything up to its floor", (member) =>
      member.keeper.completeness.complete ? 1 : 0,
    ),
    gauge(
      "hearsay_watermark_age_seconds",
      "How far the watermark is behind the present",
      (member) => Math.max(0, services.clock.nowMs() - hlcToMs(member.keeper.completeness.watermark)) / 1000,
    ),
    gauge(
      "hearsay_exchanges_running",
      "Exchanges this node has begun that are under way",
      (member) => member.repair.running,
    ),
    gauge(
      "hearsay_exchanges_answering",
      "Exchanges of others that this node answers",
      (member) => member.repair.answering,
    ),
    gauge("hearsay_hot_rumors", "Rumors in the hot list", (member) => member.rumors.monger.hotEntries),
    gauge(
      "hearsay_hot_rumor_bytes",
      "Bytes of keys and versions in the hot list",
      (member) => member.rumors.monger.hotBytes,
    ),
    gauge("hearsay_acks_pending", "Writers that wait for other replicas", (member) => member.acksPending),
    gauge(
      "hearsay_local_health",
      "Lifeguard's score of this node's own slowness; 0 is healthy",
      (member) => member.membership.stats.localHealth,
    ),
    gauge(
      "hearsay_broadcasts_queued",
      "Membership updates that are still to be spread",
      (member) => member.membership.stats.broadcastsQueued,
    ),
  ];
}

function rumorCounters(services: Services): MetricSource[] {
  const counter = (name: string, help: string, value: (member: ClusterMember) => number): MetricSource =>
    single(services, { kind: "counter", name, help, value });
  const rumors = (member: ClusterMember): ClusterMember["rumors"]["monger"]["counters"] =>
    member.rumors.monger.counters;
  return [
    counter("hearsay_rumor_requests_total", "Rumor messages sent", (member) => rumors(member).requests),
    counter("hearsay_rumor_replies_total", "Rumor messages answered", (member) => rumors(member).replies),
    counter("hearsay_rumor_records_total", "Records sent with rumors", (member) => rumors(member).records),
    counter(
      "hearsay_rumor_record_bytes_total",
      "Bytes of those records",
      (member) => rumors(member).recordBytes,
    ),
    counter("hearsay_rumor_offers_total", "Rumors sent as versions only", (member) => rumors(member).offers),
    counter(
      "hearsay_rumors_useful_total",
      "Rumors that the receiver lacked",
      (member) => rumors(member).useful,
    ),
    counter(
      "hearsay_rumors_needless_total",
      "Rumors that the receiver knew",
      (member) => rumors(member).needless,
    ),
    counter(
      "hearsay_rumors_expired_total",
      "Rumors that ended by the bound on rounds",
      (member) => rumors(member).expired,
    ),
  ];
}

function droppedCounters(services: Services): MetricSource[] {
  return [
    single(services, {
      kind: "counter",
      name: "hearsay_exchanges_put_off_total",
      help: "Exchanges of others that were told to come back, as many as may be being answered",
      value: (member) => member.repair.putOff,
    }),
    {
      kind: "counter",
      name: "hearsay_rumors_dropped_total",
      help: "Rumors given up, by reason; anti-entropy repairs what they miss",
      labelNames: ["reason"],
      read: () => {
        const member = services.cluster.attached;
        if (member === undefined) return [];
        const { dropped, oversized, undelivered, wantsDropped } = member.rumors.monger.counters;
        return Object.entries({ full: dropped, oversized, undelivered, not_fetched: wantsDropped }).map(
          ([reason, value]) => ({ labels: { reason }, value }),
        );
      },
    },
    {
      kind: "counter",
      name: "hearsay_membership_dropped_total",
      help: "Membership updates and requests not taken, by reason",
      labelNames: ["reason"],
      read: () => {
        const stats = services.cluster.attached?.membership.stats;
        if (stats === undefined) return [];
        return Object.entries({
          broadcasts: stats.broadcastsDropped,
          malformed: stats.updatesMalformed,
          table_full: stats.updatesBeyondBounds,
          relays: stats.relaysRefused,
          refused: stats.requestsRefused,
        }).map(([reason, value]) => ({ labels: { reason }, value }));
      },
    },
    {
      kind: "counter",
      name: "hearsay_states_ignored_total",
      help: "News of how nodes are that were not taken, by reason",
      labelNames: ["reason"],
      read: () =>
        Object.entries(services.cluster.attached?.states.ignored ?? {}).map(([reason, value]) => ({
          labels: { reason },
          value,
        })),
    },
  ];
}
