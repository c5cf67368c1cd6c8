/** Puts together what the routes of one run work with, over its open store. */
import { hostname } from "node:os";
import { type Clock, type Log, Node, type RepeatLog } from "@hearsay/node";
import { Cluster } from "./cluster/cluster.ts";
import { TIMERS } from "./cluster/open-member.ts";
import { peerPorts } from "./cluster/peer-ports.ts";
import type { Settings } from "./config/knobs.ts";
import { ByteBudget } from "./http/body.ts";
import { Gate } from "./http/gate.ts";
import { PreparedValues } from "./http/prepared.ts";
import { Stamp } from "./http/stamp.ts";
import { wallClock } from "./machine/wall-clock.ts";
import type { EventCounts } from "./metrics/events.ts";
import { NodeMetrics } from "./metrics/registry.ts";
import { RequestMetrics } from "./metrics/requests.ts";
import type { OpenedStore } from "./open-store.ts";
import { checksOf, type Services } from "./services.ts";
import { isRestoringExactly } from "./snapshot/exact-mark.ts";
import { openHub } from "./watch/open-hub.ts";

export interface Foundation {
  readonly opened: OpenedStore;
  readonly log: Log;
  readonly troubles: RepeatLog;
  readonly events: EventCounts;
  /** See {@link Services.restart}. */
  restart(reason: string): void;
}

/** @throws IdentityError when the store belongs to another node */
export async function compose(settings: Settings, foundation: Foundation): Promise<Services> {
  const { opened, log, troubles, events } = foundation;
  const { store, directory } = opened;
  const clock = wallClock(settings["test.clockFile"]);
  const node = await openNode(settings, foundation, clock);
  const gate = new Gate({
    maxScans: settings["limits.maxScans"],
    scansLagMs: settings["overload.scansLagMs"],
    writesLagMs: settings["overload.writesLagMs"],
    readsLagMs: settings["overload.readsLagMs"],
  });
  const budget = new ByteBudget(settings["limits.maxInFlightBytes"]);
  const cluster = new Cluster(node);
  const stamp = new Stamp(node.id, () => cluster.completeThroughMs(), clock.nowMs);
  const requests = new RequestMetrics();
  const services: Services = {
    settings,
    node,
    store,
    clock,
    log,
    troubles,
    gate,
    budget,
    prepared: new PreparedValues(stamp),
    exchange: {
      stamp,
      requests,
      log,
      troubles,
      logRequests: settings["log.requests"],
      slowReaderMs: settings["limits.slowReaderTimeoutMs"],
    },
    spool: directory.spool,
    metrics: () => metrics.text(),
    cluster,
    peers: peerPorts({ settings, cluster, self: node.id, clock, log }),
    watch: openHub({ settings, node, store, cluster, clock, timers: TIMERS, log }),
    checks: () => checksOf(services),
    restart: (reason) => foundation.restart(reason),
  };
  const metrics = new NodeMetrics(services, { requests, events, freeBytes: () => directory.freeBytes() });
  if (isRestoringExactly(store.meta)) log.warn("exact_restore_unfinished", {});
  return services;
}

function openNode(settings: Settings, { opened, log, events }: Foundation, clock: Clock): Promise<Node> {
  const { store, report } = opened;
  return Node.open(
    {
      clock,
      random: { next: () => Math.random() },
      store,
      log,
      metrics: { count: (name, amount) => events.count(name, amount) },
      settleDoubt: () => store.settleDoubt(),
    },
    {
      name: settings.name === "" ? undefined : settings.name,
      fallbackName: nameOfMachine(),
      cluster: settings.cluster,
      clockMaxDriftMs: settings["clock.maxDriftMs"],
      conflicts: { maxSiblings: settings["conflicts.maxSiblings"], policies: settings["conflicts.policy"] },
      doubt: report.doubt.length > 0,
      maxWaiters: settings["limits.maxWaiters"],
    },
  );
}

/** What of the machine's name a node may be called. */
function nameOfMachine(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, 63)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
  return name === "" ? "node" : name;
}
