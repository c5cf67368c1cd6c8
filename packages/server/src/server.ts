/**
 * A node over as many runs as it takes in one process. A run whose store comes into doubt ends: what that incarnation has
 * confirmed may be untrue. The next one opens the same directory, which salvages what is damaged, and takes part under a
 * new id, at the same address, repaired by its peers like any newcomer. The port answers all that time.
 */
import type { Log } from "@hearsay/node";
import type { Settings } from "./config/knobs.ts";
import type { Listener } from "./http/listener.ts";
import { EventCounts } from "./metrics/events.ts";
import { RestartPace } from "./restart-pace.ts";
import type { RunningNode, RunPorts } from "./running-node.ts";

export interface RunningServer {
  /** `http://host:port` as clients on this machine reach it. */
  readonly address: string;
  /** Of the incarnation that runs now. */
  readonly nodeId: string;
  /** Whether that one has left its cluster, or was given up, for good: it takes no writes any more. */
  readonly isRetired: boolean;
  /**
   * Settles when the node has left its cluster for good: there is nothing left for it to do. Rejects with a StartError
   * when it came into doubt and could not be started again.
   */
  readonly left: Promise<void>;
  /**
   * Stops in order: not ready, no new connections, requests in progress finished, unsent writes handed on, *stopped* said
   * to the others, store closed; within `shutdown.graceMs`. Idempotent.
   */
  close(): Promise<void>;
}

export interface StartOptions {
  /** Takes the place of the JSON log on standard output. */
  readonly log?: Log;
}

/** @throws StartError for what an operator can correct */
export async function startServer(settings: Settings, options: StartOptions = {}): Promise<RunningServer> {
  const events = new EventCounts();
  const onDropped = (): void => events.count("hearsay_log_lines_dropped_total");
  const log = options.log ?? (await ownLog(settings, onDropped));
  const { Listener } = await import("./http/listener.ts");
  // Whoever takes another port may mean another directory or name too: nothing is left behind.
  const listener = await Listener.open(settings, { log, events });
  const server = new Server(settings, log, events, listener);
  try {
    await server.start();
  } catch (error) {
    await listener.close(LISTENER_GRACE_MS);
    throw error;
  }
  return server;
}

/**
 * Loaded when a node starts, as all is that only a running one needs: who wants just the settings, or looks into a
 * directory, does not wait for it.
 */
async function ownLog(settings: Settings, onDropped: () => void): Promise<Log> {
  const { jsonLog } = await import("./machine/log.ts");
  return jsonLog(settings["log.level"], settings.name, onDropped);
}

/** Between the starts of two runs: a failing disk must not keep a node salvaging for good. */
const RESTART_MIN_INTERVAL_MS = 30_000;

/** For the readers of what the listener answers by itself. */
const LISTENER_GRACE_MS = 1_000;

class Server implements RunningServer {
  readonly left: Promise<void>;
  readonly #log: Log;
  readonly #events: EventCounts;
  readonly #pace: RestartPace = new RestartPace(RESTART_MIN_INTERVAL_MS);
  readonly #closing: AbortController = new AbortController();
  readonly #settings: Settings;
  readonly #listener: Listener;
  #run: RunningNode | undefined;
  #nodeId: string = "";
  #restarting: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #leave: { resolve(): void; reject(error: unknown): void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };

  constructor(settings: Settings, log: Log, events: EventCounts, listener: Listener) {
    this.#settings = settings;
    this.#log = log;
    this.#events = events;
    this.#listener = listener;
    this.left = new Promise((resolve, reject) => {
      this.#leave = { resolve, reject };
    });
    this.left.catch(() => {
      // It has been logged; whoever waits for it hears of it too.
    });
  }

  get address(): string {
    return this.#listener.address;
  }

  get nodeId(): string {
    return this.#nodeId;
  }

  get isRetired(): boolean {
    return this.#run?.isRetired === true;
  }

  async start(): Promise<void> {
    this.#pace.started(performance.now());
    const whileStarting: string[] = [];
    let begun: RunningNode | undefined;
    const ports: RunPorts = {
      log: this.#log,
      events: this.#events,
      listener: this.#listener,
      restart: (reason) => {
        if (begun === undefined) whileStarting.push(reason);
        else this.#restart(begun, reason);
      },
    };
    const { RunningNode } = await import("./running-node.ts");
    const run = await RunningNode.start(this.#settings, ports);
    begun = run;
    this.#run = run;
    this.#nodeId = run.nodeId;
    run.left.then(
      () => this.#leave.resolve(),
      (error: unknown) => this.#leave.reject(error),
    );
    const [reason] = whileStarting;
    if (reason !== undefined) this.#restart(run, reason);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#restarting;
    await this.#run?.stop();
    await this.#listener.close(LISTENER_GRACE_MS);
  }

  #restart(run: RunningNode, reason: string): void {
    if (this.#closed !== undefined) return;
    const delayMs = this.#pace.delayMs(performance.now());
    this.#log.error("restarting", { node: run.nodeId, reason, delayMs: Math.round(delayMs) });
    this.#restarting = this.#runAnew(run, delayMs).catch(async (error: unknown) => {
      this.#log.error("restart_failed", { reason: String(error) });
      await this.#listener.close(LISTENER_GRACE_MS);
      this.#leave.reject(error);
    });
  }

  async #runAnew(run: RunningNode, delayMs: number): Promise<void> {
    await pause(delayMs, this.#closing.signal);
    this.#run = undefined;
    await run.abandon();
    if (!this.#closing.signal.aborted) await this.start();
  }
}

/** Ends early when the signal says so. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
