/** A whole application around a memory store and a clock that stands still. */
import { connect, type Socket } from "node:net";
import { Node, REPEAT_LOG_INTERVAL_MS, RepeatLog } from "@hearsay/node";
import type { FastifyInstance } from "fastify";
import { Cluster } from "../cluster/cluster.ts";
import { TIMERS } from "../cluster/open-member.ts";
import { peerPorts } from "../cluster/peer-ports.ts";
import type { Settings } from "../config/knobs.ts";
import { loadConfig } from "../config/load.ts";
import { buildApp } from "../http/app.ts";
import { ByteBudget } from "../http/body.ts";
import { Gate } from "../http/gate.ts";
import { PreparedValues } from "../http/prepared.ts";
import { Stamp } from "../http/stamp.ts";
import { RequestMetrics } from "../metrics/requests.ts";
import { checksOf, type Services } from "../services.ts";
import { openHub } from "../watch/open-hub.ts";
import { MemoryStore } from "./memory-store.ts";

export interface Harness {
  readonly app: FastifyInstance;
  readonly services: Services;
  readonly store: MemoryStore;
  readonly clock: { ms: number };
  readonly logged: string[];
  close(): Promise<void>;
}

export const START_MS: number = Date.UTC(2030, 0, 1);

export async function harness(overrides: Partial<Settings> = {}): Promise<Harness> {
  const settings: Settings = {
    ...loadConfig({ flags: {}, environment: {}, file: undefined }).settings,
    ...overrides,
  };
  const clock = { ms: START_MS };
  const logged: string[] = [];
  const record = (event: string): void => {
    logged.push(event);
  };
  const log = { info: record, warn: record, error: record };
  const store = new MemoryStore();
  const ports = {
    clock: { nowMs: () => clock.ms },
    random: { next: () => 0.5 },
    store,
    log,
    metrics: { count: () => undefined },
  };
  const node = await Node.open(ports, {
    name: "n1",
    fallbackName: "n1",
    cluster: "test",
    clockMaxDriftMs: settings["clock.maxDriftMs"],
    conflicts: { maxSiblings: settings["conflicts.maxSiblings"], policies: settings["conflicts.policy"] },
    doubt: false,
    maxWaiters: settings["limits.maxWaiters"],
  });
  const troubles = new RepeatLog(log, REPEAT_LOG_INTERVAL_MS, () => clock.ms);
  const gate = new Gate({
    maxScans: settings["limits.maxScans"],
    scansLagMs: settings["overload.scansLagMs"],
    writesLagMs: settings["overload.writesLagMs"],
    readsLagMs: settings["overload.readsLagMs"],
  });
  gate.enter("ready");
  const cluster = new Cluster(node);
  const budget = new ByteBudget(settings["limits.maxInFlightBytes"]);
  const stamp = new Stamp(node.id, () => cluster.completeThroughMs(), ports.clock.nowMs);
  const services: Services = {
    settings,
    node,
    store,
    clock: ports.clock,
    log,
    troubles,
    gate,
    budget,
    exchange: {
      stamp,
      requests: new RequestMetrics(),
      log,
      troubles,
      logRequests: settings["log.requests"],
      slowReaderMs: settings["limits.slowReaderTimeoutMs"],
    },
    prepared: new PreparedValues(stamp),
    spool: "",
    metrics: async () => ({ contentType: "text/plain", body: "" }),
    cluster,
    peers: peerPorts({ settings, cluster, self: node.id, clock: ports.clock, log }),
    watch: openHub({ settings, node, store, cluster, clock: ports.clock, timers: TIMERS, log }),
    checks: () => checksOf(services),
    restart: (reason) => record(`restart ${reason}`),
  };
  const app = await buildApp(services);
  return { app, services, store, clock, logged, close: () => app.close() };
}

/** Listens on a free port of the loopback interface. */
export async function listen(app: FastifyInstance): Promise<{ readonly port: number; readonly url: string }> {
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return { port: Number(new URL(url).port), url };
}

/** Sends bytes as they are and gives back everything that comes until the other side closes. */
export function rawExchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.write(Buffer.from(bytes, "latin1"));
  });
}
