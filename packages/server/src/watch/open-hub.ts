/** The hub of a run, with the doors it needs. */
import { createHash } from "node:crypto";
import type { Clock, Log, Node, Timers } from "@hearsay/node";
import type { Cluster } from "../cluster/cluster.ts";
import type { Settings } from "../config/knobs.ts";
import { digestKeyOf } from "../machine/hashing.ts";
import type { ServedStore } from "../services.ts";
import { WatchHub } from "./hub.ts";
import { standingOf } from "./standing.ts";

export interface HubParts {
  readonly settings: Settings;
  readonly node: Node;
  readonly store: ServedStore;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** Before the node takes its first write: it counts from what is stored by then. */
export function openHub({ settings, node, store, cluster, clock, timers, log }: HubParts): WatchHub {
  return new WatchHub(
    {
      store,
      clock,
      timers,
      log,
      self: node.id,
      cluster: clusterTag(settings),
      knownThrough: node.lastWrite,
      standing: (ownThrough) => standingOf(cluster.attached, node.id, ownThrough),
    },
    {
      maxWatchers: settings["watch.maxWatchers"],
      logMaxBytes: settings["watch.logMaxBytes"],
      maxHeldBytes: settings["watch.maxHeldBytes"],
      maxScans: settings["watch.maxScans"],
    },
  );
}

/** What all nodes of a cluster derive alike, and nobody can compute the secret from. */
function clusterTag(settings: Settings): string {
  return createHash("sha256")
    .update("hearsay watch cursor")
    .update(digestKeyOf(settings.cluster, settings["security.digestSecret"]))
    .digest("hex")
    .slice(0, 12);
}
