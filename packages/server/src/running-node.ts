/** One run of a node: its store, its application, its part in the cluster, from the opening to the close. */
import { type Log, REPEAT_LOG_INTERVAL_MS, RepeatLog } from "@hearsay/node";
import type { StoreEvent } from "@hearsay/store";
import type { FastifyInstance } from "fastify";
import { Enrolment } from "./cluster/enrolment.ts";
import { openMember } from "./cluster/open-member.ts";
import { compose, type Foundation } from "./compose.ts";
import type { Settings } from "./config/knobs.ts";
import { Deadline } from "./deadline.ts";
import { buildApp } from "./http/app.ts";
import type { Listener } from "./http/listener.ts";
import { watchLag } from "./machine/lag.ts";
import type { EventCounts } from "./metrics/events.ts";
import { openStore } from "./open-store.ts";
import type { Services } from "./services.ts";
import { openingError } from "./start-error.ts";

export interface RunPorts {
  readonly log: Log;
  readonly events: EventCounts;
  /** Where the run serves until it ends. One that fails to start, or is given up, lets go of it; one that stops closes it. */
  readonly listener: Listener;
  /**
   * This run has to end: its store may lack what this incarnation has acknowledged or confirmed, or holds what the next
   * opening puts in order. From this moment it serves, says and confirms nothing any more, also where it is still starting. Called once.
   */
  restart(reason: string): void;
}

/** What a run is made with. */
interface Beginning extends Foundation {
  readonly listener: Listener;
  /** Aborted when this run has to end. */
  readonly ending: AbortSignal;
}

interface RunParts extends Beginning {
  readonly services: Services;
  readonly app: FastifyInstance;
  readonly enrolment: Enrolment;
  stopTimers(): void;
}

/** What the store says with each attempt, or each commit, while its disk is full or fails. */
const REPEATING: ReadonlySet<StoreEvent["code"]> = new Set([
  "disk_full",
  "write_failed",
  "reopen_failed",
  "reopened",
  "sequence_file_failed",
] as const);

/** Of the grace, for requests in progress; the rest is for telling the others. */
const DRAIN_SHARE = 0.75;

/** How long a run that is given up waits for listings and checks that are under way. */
const SCANS_GRACE_MS = 60_000;

export class RunningNode {
  readonly #parts: RunParts;

  private constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** @throws StartError for what an operator can correct */
  static async start(settings: Settings, ports: RunPorts): Promise<RunningNode> {
    const { log, events, listener } = ports;
    const troubles = new RepeatLog(log, REPEAT_LOG_INTERVAL_MS, () => performance.now());
    const ending = new AbortController();
    const restart = (reason: string): void => {
      if (ending.signal.aborted) return;
      ending.abort();
      ports.restart(reason);
    };
    try {
      let isOpen = false;
      const opened = await openStore(settings, log, (event) => {
        const { code, ...facts } = event;
        events.count(code);
        if (REPEATING.has(code)) troubles.note(code, { code, ...facts });
        else log.warn(code, facts);
        // What opening finds becomes a new incarnation at once.
        if (isOpen && event.code === "doubt") restart(event.reason);
      });
      isOpen = true;
      try {
        const beginning = { opened, troubles, log, events, listener, restart, ending: ending.signal };
        return new RunningNode(await serve(settings, beginning));
      } catch (error) {
        await opened.close();
        throw error;
      }
    } catch (error) {
      throw openingError(error, settings.data);
    }
  }

  get nodeId(): string {
    return this.#parts.services.node.id;
  }

  get isRetired(): boolean {
    return this.#parts.enrolment.isRetired;
  }

  /** Settles when the node has left its cluster for good. */
  get left(): Promise<void> {
    return this.#parts.enrolment.left;
  }

  /**
   * Not ready, nothing new accepted, requests in progress finished, what is unsent handed on, *stopped* announced, store
   * closed; all but the closing of the store within `shutdown.graceMs`.
   */
  async stop(): Promise<void> {
    const { services, app, listener, opened, enrolment, log } = this.#parts;
    services.gate.enter("stopping");
    log.info("stopping", { node: this.nodeId });
    const deadline = new Deadline(services.settings["shutdown.graceMs"]);
    services.watch.close();
    await Promise.all([app.close(), listener.close(deadline.leftMs * DRAIN_SHARE)]);
    await this.#attempt("flush", deadline, opened.store.flush());
    await this.#attempt("farewell", deadline, enrolment.stop(deadline));
    await this.#close();
    log.info("stopped", { node: this.nodeId });
  }

  /** Closes what has asked to be started again, without a word to the others: a successor retires this id. */
  async abandon(): Promise<void> {
    const { services, app, listener } = this.#parts;
    const { gate, settings, watch } = services;
    // The one who looks for damage is to be told what was found.
    await new Deadline(SCANS_GRACE_MS).until(() => gate.scans === 0);
    watch.close();
    await Promise.all([app.close(), listener.release(settings["shutdown.graceMs"] * DRAIN_SHARE)]);
    await this.#close();
  }

  /** A step of the stop that fails or takes too long must not keep the store from being closed. */
  async #attempt(step: string, deadline: Deadline, work: Promise<void>): Promise<void> {
    const { log } = this.#parts;
    try {
      if (!(await deadline.within(work))) log.warn("stop_cut_short", { step });
    } catch (error) {
      log.warn("stop_step_failed", { step, reason: String(error) });
    }
  }

  async #close(): Promise<void> {
    const { stopTimers, enrolment, opened } = this.#parts;
    stopTimers();
    enrolment.halt();
    await enrolment.close();
    await opened.close();
  }
}

async function serve(settings: Settings, foundation: Beginning): Promise<RunParts> {
  const { opened, log, listener, ending } = foundation;
  const { address } = listener;
  const services = await compose(settings, foundation);
  const app = await buildApp(services);
  await app.ready();
  listener.hand(app.server);
  const stopTimers = startTimers(services, foundation);
  const enrolment = enrol(services, foundation, address);
  whenAborted(ending, () => {
    services.gate.enter("recovering");
    services.watch.abandon();
    enrolment.halt();
  });
  try {
    await enrolment.start(opened.report.doubt.length > 0 ? "fresh" : "same");
    // A node under load was slower after its first look at all metrics than before. So it is made now.
    await services.metrics();
  } catch (error) {
    stopTimers();
    enrolment.halt();
    await Promise.all([app.close(), listener.release(0), enrolment.close()]);
    throw error;
  }
  if (!ending.aborted) services.gate.enter("ready");
  const { clean, rebuilt, records, damaged, doubt } = opened.report;
  if (settings["test.hooks"]) log.warn("test_hooks_on", { node: services.node.id });
  log.info("started", {
    address,
    advertised: enrolment.address,
    join: settings.join.join(",") || null,
    node: services.node.id,
    clean,
    rebuilt,
    records,
    damaged,
    doubt: doubt.join(",") || null,
  });
  return { ...foundation, services, app, enrolment, stopTimers };
}

/** At once where it has been. */
function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
}

function startTimers(services: Services, { opened, troubles }: Foundation): () => void {
  const { gate } = services;
  const stopLag = watchLag(
    (lagMs) => gate.observeLag(lagMs),
    () => gate.isIdle,
  );
  const retry = setInterval(() => {
    opened.store.retry().catch((error: unknown) => troubles.failed("retry_failed", error));
  }, services.settings["store.retryIntervalMs"]);
  return () => {
    stopLag();
    clearInterval(retry);
  };
}

function enrol(services: Services, { opened, log, events }: Foundation, listening: string): Enrolment {
  const { settings, node, store, clock, cluster, peers } = services;
  const address = settings.advertise === "" ? listening.replace(/^http:\/\//, "") : settings.advertise;
  const enrolment = new Enrolment({
    address,
    seeds: settings.join,
    cluster,
    node,
    store,
    log,
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
