/**
 * Who is let in. A node that starts or stops takes nothing; one whose event loop lags sheds scans first, then
 * writes, then reads. Health, metrics and membership are never shed.
 */
import { ApiProblem } from "./problem.ts";

/** Recovering: the store is in doubt, and the node is about to start again. */
export type Phase = "starting" | "ready" | "recovering" | "stopping";

export type Admission = "read" | "write" | "scan";

export interface GateLimits {
  readonly maxScans: number;
  readonly scansLagMs: number;
  readonly writesLagMs: number;
  readonly readsLagMs: number;
}

export class Gate {
  readonly #limits: GateLimits;
  #phase: Phase = "starting";
  #scans = 0;
  #lagMs = 0;
  #isIdle = true;
  #shed: Record<Admission, number> = { read: 0, write: 0, scan: 0 };

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get scans(): number {
    return this.#scans;
  }

  get lagMs(): number {
    return this.#lagMs;
  }

  /** How many requests of each kind were refused as overload. */
  get shed(): Readonly<Record<Admission, number>> {
    return this.#shed;
  }

  enter(phase: Phase): void {
    this.#phase = phase;
  }

  /** The lag of the event loop as last measured, in milliseconds. */
  observeLag(lagMs: number): void {
    this.#lagMs = lagMs;
    this.#isIdle = true;
  }

  /** Whether nobody has asked to be let in since the lag was last measured. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /** @throws ApiProblem `not_ready`, `overloaded` */
  admitRead(): void {
    this.#isIdle = false;
    if (this.#phase !== "ready") throw this.#notReady();
    if (this.#lagMs > this.#limits.readsLagMs) throw this.#overloaded("read");
  }

  /** @throws ApiProblem `not_ready`, `overloaded` */
  admitWrite(): void {
    this.#isIdle = false;
    if (this.#phase !== "ready") throw this.#notReady();
    if (this.#lagMs > this.#limits.writesLagMs) throw this.#overloaded("write");
  }

  /**
   * @returns what to call once the scan has ended
   * @throws ApiProblem `not_ready`, `overloaded`
   */
  enterScan(): () => void {
    this.#isIdle = false;
    if (this.#phase !== "ready") throw this.#notReady();
    if (this.#lagMs > this.#limits.scansLagMs) throw this.#overloaded("scan");
    return this.enterReads();
  }

  /**
   * For several reads at once, which have been admitted otherwise: they cost as little as single ones, and their answer takes
   * as much memory as a scan's.
   * @returns what to call once the answer has been taken
   * @throws ApiProblem `overloaded`
   */
  enterReads(): () => void {
    if (this.#scans >= this.#limits.maxScans) throw this.#overloaded("scan");
    this.#scans += 1;
    let running = true;
    return () => {
      if (running) this.#scans -= 1;
      running = false;
    };
  }

  #notReady(): ApiProblem {
    return new ApiProblem("not_ready", { detail: `The node is ${this.#phase}.` });
  }

  #overloaded(admission: Admission): ApiProblem {
    this.#shed[admission] += 1;
    return new ApiProblem("overloaded", {
      detail:
        admission === "scan" && this.#scans >= this.#limits.maxScans
          ? `${this.#scans} scans are running (limits.maxScans).`
          : `The event loop lags ${Math.round(this.#lagMs)} ms behind.`,
    });
  }
}
