/** What is told of watching. */
import type { Services } from "../services.ts";
import type { MetricSource, Sample } from "./cluster.ts";

export function watchMetrics({ watch }: Services): MetricSource[] {
  const single = (value: number): Sample[] => [{ labels: {}, value }];
  const of = (kind: MetricSource["kind"], name: string, help: string, read: () => number): MetricSource => ({
    kind,
    name,
    help,
    labelNames: [],
    read: () => single(read()),
  });
  return [
    of("gauge", "hearsay_watchers", "Watches, long polls and blocking queries", () => watch.watchers),
    of("gauge", "hearsay_watch_log_entries", "Newest changes in memory", () => watch.log.size),
    of("gauge", "hearsay_watch_held_bytes", "Changes that wait to be told", () => watch.topics.heldBytes),
    of(
      "gauge",
      "hearsay_watch_lag_changes",
      "Newest changes that some watcher may not have been told of",
      () => watch.topics.lag,
    ),
    of(
      "counter",
      "hearsay_watch_behind_total",
      "Prefixes whose watchers got newest states because too many changes waited",
      () => watch.counts.behind,
    ),
    of(
      "counter",
      "hearsay_watch_overruns_total",
      "Prefixes whose watchers fell behind the newest changes in memory",
      () => watch.counts.overruns,
    ),
    of(
      "counter",
      "hearsay_watch_events_total",
      "Changes told, once for each prefix",
      () => watch.counts.events,
    ),
    of(
      "counter",
      "hearsay_watch_scans_total",
      "Looks at all records under a prefix",
      () => watch.counts.scans,
    ),
    of(
      "counter",
      "hearsay_watch_refused_total",
      "Watchers beyond watch.maxWatchers",
      () => watch.counts.refused,
    ),
    of("counter", "hearsay_watch_cut_off_total", "Readers cut off for being slow", () => watch.counts.cutOff),
    of(
      "counter",
      "hearsay_watch_resets_total",
      "Cursors that did not help any more",
      () => watch.counts.resets,
    ),
  ];
}
