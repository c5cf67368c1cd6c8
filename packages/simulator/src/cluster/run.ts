/** One run of a node on its machine, as the server composes it: store, node, member. It can be paused and it can end. */
import type { ClusterMember, Node, Timers } from "@hearsay/node";
import type { Store } from "@hearsay/store";
import type { VirtualTime } from "../time/virtual-time.ts";

export interface Opened {
  readonly store: Store;
  readonly node: Node;
  readonly member: ClusterMember;
}

/** The process of one run: what it waits for reaches it while it lives and is not paused. */
export class Run implements Timers {
  readonly #time: VirtualTime;
  #isPaused = false;
  #hasEnded = false;
  #isHalted = false;
  #waiting: (() => void)[] = [];
  opened: Opened | undefined;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** It only waits for its end. */
  get isHalted(): boolean {
    return this.#isHalted;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Calls back at once, when the process goes on, or never. */
  readonly whenOn = (callback: () => void): void => {
    if (this.#hasEnded) return;
    if (this.#isPaused) this.#waiting.push(callback);
    else callback();
  };

  after(ms: number, callback: () => void): () => void {
    return this.#time.after(ms, () => this.whenOn(callback));
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
  }

  /** As SIGSTOP does. */
  pause(): void {
    this.#isPaused = true;
  }

  /** As SIGCONT does: what came meanwhile is there at once, in its order. */
  resume(): void {
    this.#isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) this.whenOn(callback);
  }

  /** As the server does when its store comes into doubt: nothing is served, said or confirmed any more. */
  halt(): void {
    this.#isHalted = true;
    this.opened?.member.halt();
  }

  /** As kill -9 does. */
  end(): void {
    this.#hasEnded = true;
    this.#waiting = [];
    this.opened?.member.halt();
  }
}
