/**
 * Group commit. One batch is in flight; everything staged meanwhile forms the next group, and all of one
 * synchronous turn falls into one group. A group has one change for each key and one promise for all its writers.
 *
 * Invariant: groups commit in the order they were formed, and what a group's changes call `before` is committed
 * when it does. So when one fails, those formed on top of it are refused with it.
 */
import type { Change } from "./change.ts";
import { StoreError, type StoreFault } from "./faults.ts";
import type { DatabaseBatch } from "./ports.ts";

export class Group {
  readonly changes: Map<string, Change> = new Map();
  readonly metas: Map<string, Uint8Array> = new Map();
  /** What is staged is handed to the database at once, so that nothing encoded lives until the commit. */
  readonly batch: DatabaseBatch;
  readonly settled: Promise<void>;
  /** By how many the ghosts become more. */
  ghosts: number = 0;
  bytes: number = 0;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor(batch: DatabaseBatch) {
    this.batch = batch;
    this.settled = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // It may have no writer who waits for it: a purge that finds only graves with no record behind them does not.
    this.settled.catch(() => undefined);
  }

  /** Of several operations on one key in a group the last one counts. */
  put(key: Uint8Array, value: Uint8Array): void {
    this.batch.put(key, value);
    this.bytes += key.length + value.length;
  }

  del(key: Uint8Array): void {
    this.batch.del(key);
    this.bytes += key.length;
  }
}

/** What is chained to it runs when the present turn has ended. */
const SETTLED: Promise<void> = Promise.resolve();

export interface PipelinePorts {
  readonly pendingMaxBytes: number;
  yieldToEventLoop(): Promise<void>;
  openBatch(): DatabaseBatch;
  /** Starts the write of a group's batch; settles when it is as durable as configured. */
  write(group: Group): Promise<void>;
  /** Called right after `write`, while it is under way. */
  prepare(group: Group): void;
  /** Called in the same step that resolves the group. */
  committed(group: Group): void;
  /** Returns what the writers are told, and what later ones are until {@link CommitPipeline.resume}. */
  failed(group: Group, error: unknown): { readonly fault: StoreFault; readonly halt: StoreFault };
}

export class CommitPipeline {
  readonly #ports: PipelinePorts;
  #forming: Group | undefined;
  #inFlight: Group | undefined;
  #draining: boolean = false;
  #halted: StoreFault | undefined;
  /** Why it is not known whether the last batch is in the database. */
  #unresolved: StoreFault | undefined;
  /** Decided once for each synchronous turn, so that no turn is half refused. */
  #turn: "closed" | "admitted" | StoreFault = "closed";
  readonly #endTurn: () => void = () => {
    this.#turn = "closed";
  };
  #betweenBatches: (() => void)[] = [];
  #idle: (() => void)[] = [];

  constructor(ports: PipelinePorts) {
    this.#ports = ports;
  }

  get pendingBytes(): number {
    return (this.#forming?.bytes ?? 0) + (this.#inFlight?.bytes ?? 0);
  }

  /** Why nothing may be staged in this turn; undefined when it may. */
  refusal(): StoreFault | undefined {
    if (this.#halted !== undefined) return this.#halted;
    if (this.#turn === "closed") {
      const { pendingBytes } = this;
      this.#turn =
        pendingBytes > this.#ports.pendingMaxBytes
          ? { code: "overloaded", pendingBytes, outcome: "none" }
          : "admitted";
      void SETTLED.then(this.#endTurn);
    }
    return typeof this.#turn === "string" ? undefined : this.#turn;
  }

  /** The newest change of a key that waits for its commit. */
  pending(key: string): Change | undefined {
    return this.#forming?.changes.get(key) ?? this.#inFlight?.changes.get(key);
  }

  /** Settles as the group of the newest change of a key does; at once when nothing of it waits for its commit. */
  settled(key: string): Promise<void> {
    for (const group of [this.#forming, this.#inFlight])
      if (group?.changes.has(key) === true) return group.settled;
    return SETTLED;
  }

  /** The change of a key whose batch is being written. */
  inFlight(key: string): Change | undefined {
    return this.#inFlight?.changes.get(key);
  }

  pendingMeta(name: string): Uint8Array | undefined {
    return this.#forming?.metas.get(name) ?? this.#inFlight?.metas.get(name);
  }

  /** The group to add to; its write starts after this turn of the event loop. Not to be called when refused. */
  open(): Group {
    this.#forming ??= new Group(this.#ports.openBatch());
    if (!this.#draining) {
      this.#draining = true;
      void this.#drain();
    }
    return this.#forming;
  }

  /** Runs when no batch is in flight, so that database, cache and fingerprints are at one; must be synchronous. */
  betweenBatches<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#inFlight === undefined) attempt();
      else this.#betweenBatches.push(attempt);
    });
  }

  /**
   * Resolves when what is staged by now is committed or refused, however much is staged meanwhile. Rejects while nobody can
   * tell which: a batch that has failed may be in the database nonetheless.
   */
  flush(): Promise<void> {
    const newest = this.#forming ?? this.#inFlight;
    if (newest !== undefined) return newest.settled;
    return this.#unresolved === undefined ? SETTLED : Promise.reject(new StoreError(this.#unresolved));
  }

  /** Resolves when nothing waits for its commit. */
  idle(): Promise<void> {
    if (!this.#draining) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  halt(fault: StoreFault): void {
    this.#halted = fault;
  }

  /** To be called when it is known what became of the batch that failed, and what follows from it has been done. */
  resume(): void {
    this.#halted = undefined;
    this.#unresolved = undefined;
  }

  async #drain(): Promise<void> {
    while (this.#forming !== undefined) {
      // Whatever else this turn of the event loop finds ready joins the group: each group costs a sync.
      await this.#ports.yieldToEventLoop();
      const group = this.#take();
      if (group === undefined) break;
      try {
        const written = this.#ports.write(group);
        this.#ports.prepare(group);
        await written;
      } catch (error) {
        this.#fail(group, error);
        break;
      }
      this.#inFlight = undefined;
      this.#ports.committed(group);
      group.resolve();
      this.#runBetweenBatches();
    }
    this.#draining = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #take(): Group | undefined {
    this.#inFlight = this.#forming;
    this.#forming = undefined;
    return this.#inFlight;
  }

  #fail(group: Group, error: unknown): void {
    const { fault, halt } = this.#ports.failed(group, error);
    this.#halted = halt;
    this.#unresolved = halt;
    const waiting = this.#forming;
    this.#forming = undefined;
    this.#inFlight = undefined;
    group.reject(new StoreError(fault, { cause: error }));
    waiting?.reject(new StoreError(halt, { cause: error }));
    this.#runBetweenBatches();
  }

  #runBetweenBatches(): void {
    for (const run of this.#betweenBatches.splice(0)) run();
  }
}
