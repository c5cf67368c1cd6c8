/**
 * Whether the node that is followed sees the others. Its values are whole either way; cut off, they are as old as that.
 *
 * It counts as cut off when it and those it reaches are not more than half of the members. On the other side may be all
 * that is newer, or nothing but machines that are off: a node cannot tell, and nor can the agent.
 */
import type { ConvergenceReport } from "@hearsay/api";
import type { AgentPorts } from "../ports.ts";

/** How many of the members a node reaches, itself among them. */
export interface Reach {
  readonly reachable: number;
  readonly members: number;
}

export interface CutOff extends Reach {
  /** When it was first seen, ISO 8601. */
  readonly since: string;
}

/** Undefined of a node that reaches all. */
export function reachOf(report: ConvergenceReport): Reach | undefined {
  if (report.verdict !== "partitioned") return undefined;
  const { reachable, unreachable } = report.sides;
  return { reachable: reachable.length, members: reachable.length + unreachable.length };
}

/** Between two looks; a node itself needs a few seconds to miss the others. */
const LOOK_MS = 10_000;
/** Until the next look when nobody has answered: at the start no stream stands yet. */
const LOOK_AGAIN_MS = 1_000;

/** Looks now and then, and says in the log when it has changed. */
export class CutOffWatch {
  readonly #ask: (signal: AbortSignal) => Promise<Reach | undefined>;
  readonly #ports: AgentPorts;
  readonly #stop: AbortController = new AbortController();
  #cancelTimer: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #current: CutOff | undefined;

  /** @param ask fails when the node does not answer; then it counts as it did before */
  constructor(ask: (signal: AbortSignal) => Promise<Reach | undefined>, ports: AgentPorts) {
    this.#ask = ask;
    this.#ports = ports;
  }

  /** Undefined when it is not cut off, and before a node has said. */
  get current(): CutOff | undefined {
    return this.#current;
  }

  start(): void {
    this.#looking = this.#look().then((answered) => {
      if (this.#stop.signal.aborted) return;
      this.#cancelTimer = this.#ports.after(answered ? LOOK_MS : LOOK_AGAIN_MS, () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelTimer();
    await this.#looking;
  }

  /** Returns whether the node has answered. */
  async #look(): Promise<boolean> {
    let reach: Reach | undefined;
    try {
      reach = await this.#ask(this.#stop.signal);
    } catch {
      // That no node answers is told of the prefixes.
      return false;
    }
    if (this.#stop.signal.aborted) return true;
    if (reach !== undefined && reach.reachable * 2 <= reach.members) {
      if (this.#current === undefined) this.#ports.log("warn", "node_cut_off", { ...reach });
      const since = this.#current?.since ?? new Date(this.#ports.wallMs()).toISOString();
      this.#current = { ...reach, since };
    } else if (this.#current !== undefined) {
      this.#ports.log("info", "node_reaches_others", { since: this.#current.since });
      this.#current = undefined;
    }
    return true;
  }
}
