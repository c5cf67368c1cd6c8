/** The composition root: one running node from its settings. */
import { hostname } from "node:os";
import { type Log, Node } from "@hearsay/node";
import type { FastifyInstance } from "fastify";
import { Cluster } from "./cluster/cluster.ts";
import { Enrolment } from "./cluster/enrolment.ts";
import { openMember } from "./cluster/open-member.ts";
import { peerPorts } from "./cluster/peer-ports.ts";
import type { Settings } from "./config/knobs.ts";
import { parseListen } from "./config/relations.ts";
import { buildApp } from "./http/app.ts";
import { ByteBudget } from "./http/body.ts";
import { Gate } from "./http/gate.ts";
import { PreparedValues } from "./http/prepared.ts";
import { Stamp } from "./http/stamp.ts";
import { watchLag } from "./machine/lag.ts";
import { jsonLog } from "./machine/log.ts";
import { EventCounts } from "./metrics/events.ts";
import { NodeMetrics } from "./metrics/registry.ts";
import { RequestMetrics } from "./metrics/requests.ts";
import { type OpenedStore, openStore } from "./open-store.ts";
import { checksOf, type Services } from "./services.ts";
import { listenError, openingError } from "./start-error.ts";

export interface RunningServer {
  /** `http://host:port` as clients on this machine reach it. */
  readonly address: string;
  readonly nodeId: string;
  /** Settles when the node has left its cluster for good: there is nothing left for it to do. */
  readonly left: Promise<void>;
  /**
   * Stops in order: not ready, no new connections, requests in progress within `shutdown.graceMs`, store closed.
   * Idempotent.
   */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Takes the place of the JSON log on standard output. */
  readonly log?: Log;
}

/** @throws StartError for what an operator can correct */
export async function startServer(settings: Settings, options: StartOptions = {}): Promise<RunningServer> {
  const log = options.log ?? jsonLog(settings["log.level"], settings.name);
  const events = new EventCounts();
  let opened: OpenedStore;
  try {
    opened = await openStore(settings, log, (event) => {
      const { code, ...facts } = event;
      events.count(code);
      log.warn(code, facts);
    });
  } catch (error) {
    throw openingError(error, settings.data);
  }
  try {
    return await serve(settings, { opened, log, events });
  } catch (error) {
    await opened.close();
    throw openingError(error, settings.data);
  }
}

interface Parts {
  readonly opened: OpenedStore;
  readonly log: Log;
  readonly events: EventCounts;
}

async function serve(settings: Settings, parts: Parts): Promise<RunningServer> {
  const { opened, log } = parts;
  const services = await compose(settings, parts);
  const app = await buildApp(services);
  const { host, port } = parseListen(settings.listen);
  let address: string;
  try {
    address = await app.listen({ host, port, backlog: LISTEN_BACKLOG });
  } catch (error) {
    await app.close();
    throw listenError(error, settings.listen);
  }
  const stopLag = watchLag((lagMs) => services.gate.observeLag(lagMs));
  const retry = setInterval(() => {
    opened.store.retry().catch((error: unknown) => log.warn("retry_failed", { error: String(error) }));
  }, settings["store.retryIntervalMs"]);
  const enrolment = enrol(services, parts, withoutScheme(address));
  await enrolment.start(opened.report.doubt.length > 0 ? "fresh" : "same");
  services.gate.enter("ready");
  const { clean, rebuilt, records, damaged } = opened.report;
  log.info("started", {
    address,
    node: services.node.id,
    clean,
    rebuilt,
    records,
    damaged,
    doubt: opened.report.doubt.join(",") || null,
  });
  let closed: Promise<void> | undefined;
  return {
    address,
    nodeId: services.node.id,
    left: enrolment.left,
    close: () => {
      closed ??= stop(services, app, { opened, enrolment }, () => {
        stopLag();
        clearInterval(retry);
      });
      return closed;
    },
  };
}

function enrol(services: Services, { opened, log, events }: Parts, listening: string): Enrolment {
  const { settings, node, store, clock, cluster, peers } = services;
  const address = settings.advertise === "" ? listening : settings.advertise;
  const enrolment = new Enrolment({
    address,
    seeds: settings.join,
    cluster,
    node,
    store,
    open: (seeds, incarnation) =>
      openMember({
        settings: { ...settings, join: seeds },
        address,
        node,
        store: opened.store,
        incarnation,
        clock,
        log,
        metrics: { count: (name, amount) => events.count(name, amount) },
        peers,
        retired: () => log.error("retired", { node: node.id }),
      }),
  });
  cluster.enrolBy(enrolment);
  return enrolment;
}

const IDLE_CHECK_MS = 20;

/** Connections that wait to be accepted; the kernel's own bound may be lower. */
const LISTEN_BACKLOG = 1024;

async function compose(settings: Settings, parts: Parts): Promise<Services> {
  const { opened, log, events } = parts;
  const { store, report, directory } = opened;
  const clock = { nowMs: () => Date.now() };
  const doubt = report.doubt.length > 0;
  const node = await Node.open(
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
      doubt,
      maxWaiters: settings["limits.maxWaiters"],
    },
  );
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
    gate,
    budget,
    prepared: new PreparedValues(stamp),
    exchange: { stamp, requests, log, logRequests: settings["log.requests"] },
    spool: directory.spool,
    metrics: () => metrics.text(),
    cluster,
    peers: peerPorts({ settings, cluster, self: node.id, budget, clock, log }),
    checks: () => checksOf(services),
  };
  const metrics = new NodeMetrics(services, { requests, events, freeBytes: () => directory.freeBytes() });
  return services;
}

function withoutScheme(address: string): string {
  return address.replace(/^http:\/\//, "");
}

/** What of the machine's name a node may be called. */
function nameOfMachine(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, 63)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
  return name === "" ? "node" : name;
}

async function stop(
  services: Services,
  app: FastifyInstance,
  { opened, enrolment }: { readonly opened: OpenedStore; readonly enrolment: Enrolment },
  stopTimers: () => void,
): Promise<void> {
  const { gate, log, settings } = services;
  gate.enter("stopping");
  log.info("stopping", { node: services.node.id });
  const grace = setTimeout(() => {
    log.warn("connections_cut", { graceMs: settings["shutdown.graceMs"] });
    app.server.closeAllConnections();
  }, settings["shutdown.graceMs"]);
  await enrolment.stop();
  // A connection whose last answer is out while it was being closed would otherwise stay for its keep-alive time.
  const idle = setInterval(() => app.server.closeIdleConnections(), IDLE_CHECK_MS);
  await app.close();
  clearInterval(idle);
  clearTimeout(grace);
  stopTimers();
  await enrolment.close();
  await opened.close();
  log.info("stopped", { node: services.node.id });
}
