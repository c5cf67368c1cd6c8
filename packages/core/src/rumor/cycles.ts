/**
 * Runs the rumor machine in the setting of the epidemic papers: synchronous cycles over n nodes that know one another, one
 * rumor, no loss. Whether a contact was needless is judged against the state at the start of the cycle; who learns
 * the rumor in a cycle spreads it from the next one on.
 */
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import { FullView } from "../sampling/full-view.ts";
import type { ReceivedRumor, RumorEffect, RumorMessage, RumorTimer } from "./messages.ts";
import { RumorMonger } from "./monger.ts";
import { DEFAULT_RUMOR_OPTIONS, type RumorOptions } from "./options.ts";

export interface CycleExperiment {
  readonly nodes: number;
  readonly mode: "push" | "pull";
  readonly loss: RumorOptions["loss"];
  /** `Infinity`: no rumor ever loses interest. */
  readonly k: number;
  /** Peers contacted by a node in a cycle. */
  readonly fanout: number;
  readonly seed: number;
  readonly cyclesMax: number;
}

export interface CycleResult {
  /** Share of nodes the rumor never reached. */
  readonly residue: number;
  /** Updates sent per node, needless ones with them. */
  readonly traffic: number;
  /** Cycles until the last node that learns it does. */
  readonly lastCycle: number;
  /** Nodes that knew it at the end of each cycle. */
  readonly known: readonly number[];
}

/** The papers' nodes have no memory of whom they told, send the update each time, and hold one rumor. */
function paperOptions(experiment: CycleExperiment): RumorOptions {
  const { mode, loss, k, fanout } = experiment;
  return {
    ...DEFAULT_RUMOR_OPTIONS,
    ...{ mode, loss, k, fanout },
    coalesceMs: 1,
    roundIntervalMs: 1,
    pullIntervalMs: 1,
    directMailMax: 0,
    sendsFactor: Number.POSITIVE_INFINITY,
    inlineShare: Number.POSITIVE_INFINITY,
    settledMax: 0,
  };
}

const KEY = "rumor";
const HELD = { versions: [{ time: 1, node: "n0~0000000000" }], sizeBytes: 1 };

interface Post {
  readonly from: number;
  readonly to: number;
  readonly id: number;
  readonly message: RumorMessage;
}

class CycleRun {
  readonly #machines: RumorMonger[] = [];
  readonly #peers: Peer[] = [];
  readonly #index = new Map<string, number>();
  readonly #knows: boolean[] = [];
  #learned = new Set<number>();
  #timers: (readonly [number, RumorTimer])[] = [];
  #posts: Post[] = [];
  updates = 0;
  cycle = 0;

  constructor(experiment: CycleExperiment) {
    const random = new SeededRandom(experiment.seed);
    const options = paperOptions(experiment);
    for (let i = 0; i < experiment.nodes; i++) {
      const id = `n${i}~0000000000`;
      this.#index.set(id, i);
      this.#peers.push({ id, address: `node:${i}` });
      this.#knows.push(false);
    }
    this.#peers.forEach((peer, i) => {
      const view = new FullView(peer.id, random.fork());
      view.peersChanged(this.#peers);
      const machine = new RumorMonger(options, view, random.fork());
      this.#machines.push(machine);
      const others = this.#peers.filter((other) => other !== peer);
      this.#perform(i, 0, machine.peersChanged(others, experiment.nodes, 0));
    });
    this.#knows[0] = true;
    this.#each(0, 0, (machine) => machine.add({ key: KEY, ...HELD, origin: "write", acks: 0 }, 0));
  }

  get knowing(): number {
    return this.#knows.filter(Boolean).length;
  }

  get isHot(): boolean {
    return this.#machines.some((machine) => machine.isHot(KEY));
  }

  /** One cycle: all rounds, then all requests, then all replies, and so on until nobody says anything more. */
  step(): void {
    this.cycle += 1;
    const timers = this.#timers;
    this.#timers = [];
    for (const [i, timer] of timers) this.#each(i, 0, (machine) => machine.onTimer(timer, this.cycle));
    while (this.#posts.length > 0) {
      const posts = this.#posts;
      this.#posts = [];
      for (const post of posts) this.#deliver(post);
    }
    for (const i of this.#learned) this.#knows[i] = true;
    this.#learned = new Set();
  }

  #deliver(post: Post): void {
    const { from, to, id, message } = post;
    const received = message.rumors.map(() => this.#judge(to));
    const sender = this.#peers[from];
    if (sender === undefined) return;
    this.#each(to, from, (machine) =>
      message.kind === "rumor_request"
        ? machine.onRequest(sender, id, message, received, this.cycle)
        : machine.onReply(id, message, received, this.cycle),
    );
  }

  #judge(node: number): ReceivedRumor {
    this.updates += 1;
    if (this.#knows[node]) return { state: "known", held: HELD };
    this.#learned.add(node);
    return { state: "new", held: HELD };
  }

  #each(i: number, asker: number, step: (machine: RumorMonger) => readonly RumorEffect[]): void {
    const machine = this.#machines[i];
    if (machine !== undefined) this.#perform(i, asker, step(machine));
  }

  #perform(i: number, asker: number, effects: readonly RumorEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "timer") this.#timers.push([i, effect.timer]);
      else if (effect.kind === "reply") this.#post(i, asker, effect.token, effect.message);
      else if (effect.kind === "request") {
        this.#post(i, this.#index.get(effect.to.id) ?? 0, effect.id, effect.message);
      }
    }
  }

  #post(from: number, to: number, id: number, message: RumorMessage): void {
    this.#posts.push({ from, to, id, message });
  }
}

/** One rumor from one node, until it is hot nowhere, everyone knows it and none may forget it, or `cyclesMax`. */
export function runRumorCycles(experiment: CycleExperiment): CycleResult {
  const run = new CycleRun(experiment);
  const known: number[] = [];
  let lastCycle = 0;
  let knowing = 1;
  const endless = experiment.k === Number.POSITIVE_INFINITY;
  while (run.cycle < experiment.cyclesMax && run.isHot && !(endless && knowing === experiment.nodes)) {
    run.step();
    const now = run.knowing;
    if (now > knowing) lastCycle = run.cycle;
    knowing = now;
    known.push(now);
  }
  return {
    residue: 1 - knowing / experiment.nodes,
    traffic: run.updates / experiment.nodes,
    lastCycle,
    known,
  };
}
