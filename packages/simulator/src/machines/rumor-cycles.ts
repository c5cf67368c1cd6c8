/**
 * Runs the rumor machine in the setting of the epidemic papers: synchronous cycles over n nodes that know one another, one
 * rumor. Whether a contact was needless is judged against the state at the start of the cycle; who learns the rumor in
 * a cycle spreads it from the next one on.
 */
import {
  DEFAULT_RUMOR_OPTIONS,
  type Peer,
  type RandomSource,
  type ReceivedRumor,
  type RumorEffect,
  type RumorMessage,
  RumorMonger,
  type RumorOptions,
  type RumorTimer,
  SeededRandom,
} from "@hearsay/core";
import { rosterOf, SharedView } from "./roster.ts";
import { RumorSizes } from "./rumor-sizes.ts";

export interface CycleExperiment {
  readonly nodes: number;
  /**
   * - `push`, `pull`: as in the papers.
   * - `push_pull`: the phone call model: each node calls in each cycle, and both sides tell.
   * - `mail`: the writer tells each node once, nobody else tells anything (Demers et al., section 1.2).
   * - `eager`: each node tells all others once, when it learns the rumor.
   */
  readonly mode: "push" | "pull" | "push_pull" | "mail" | "eager";
  readonly interest: RumorOptions["loss"];
  /** `Infinity`: no rumor ever loses interest. */
  readonly k: number;
  /** Peers contacted by a node in a cycle. */
  readonly fanout: number;
  readonly seed: number;
  readonly cyclesMax: number;
  /** Share of messages lost, requests and replies alike; none if left out. */
  readonly loss?: number;
  /** The writer ends for good in its first cycle, when half of that cycle's messages have left. */
  readonly writerFails?: boolean;
}

export interface CycleResult {
  /** Share of nodes the rumor never reached. */
  readonly residue: number;
  /** Updates that reached a node, needless ones with them, per node: the papers' m. */
  readonly traffic: number;
  /** Cycles until the last node that learns it does. */
  readonly lastCycle: number;
  /** Nodes that knew it at the end of each cycle. */
  readonly known: readonly number[];
  /** Requests and replies sent, per node. */
  readonly messages: number;
  /** Of those, as encoded, per node. */
  readonly bytes: number;
}

/** The papers' nodes have no memory of whom they told, send the update each time, and hold one rumor. */
function paperOptions(experiment: CycleExperiment): RumorOptions {
  const { mode, interest, k, fanout, nodes } = experiment;
  const options: RumorOptions = {
    ...DEFAULT_RUMOR_OPTIONS,
    loss: interest,
    k,
    fanout,
    coalesceMs: 1,
    roundIntervalMs: 1,
    pullIntervalMs: 1,
    asksIdle: true,
    directMailMax: 0,
    sendsFactor: Number.POSITIVE_INFINITY,
    inlineShare: Number.POSITIVE_INFINITY,
    settledMax: 0,
    failureBackoffMs: 0,
  };
  if (mode === "mail") return { ...options, mode: "push", directMailMax: nodes };
  if (mode !== "eager") return { ...options, mode };
  // As many sends as there are others, all in one round.
  const sendsFactor = (nodes - 1.5) / Math.log2(nodes + 1);
  return { ...options, mode: "push", loss: "feedback_counter", k: 1, fanout: nodes - 1, sendsFactor };
}

const KEY = "rumor";
/** Bytes of the value that spreads. */
const VALUE_BYTES = 100;
const HELD = { versions: [{ time: 1, node: "n0~0000000000" }], sizeBytes: VALUE_BYTES };

interface Post {
  readonly from: number;
  readonly to: number;
  readonly id: number;
  /** Undefined: the request with this id has failed. */
  readonly message: RumorMessage | undefined;
}

class CycleRun {
  readonly #machines: RumorMonger[] = [];
  readonly #peers: readonly Peer[];
  readonly #index = new Map<string, number>();
  readonly #knows: boolean[];
  readonly #experiment: CycleExperiment;
  readonly #chance: RandomSource;
  readonly #sizes: RumorSizes = new RumorSizes();
  #learned = new Set<number>();
  #timers: (readonly [number, RumorTimer])[] = [];
  #posts: Post[] = [];
  #writerUp = true;
  knowing = 1;
  updates = 0;
  messages = 0;
  bytes = 0;
  cycle = 0;

  constructor(experiment: CycleExperiment) {
    this.#experiment = experiment;
    const random = new SeededRandom(experiment.seed);
    this.#chance = random.fork();
    const options = paperOptions(experiment);
    const roster = rosterOf(experiment.nodes);
    const pool = [...roster];
    this.#peers = roster;
    this.#knows = roster.map((_, i) => i === 0);
    for (const [i, peer] of roster.entries()) this.#index.set(peer.id, i);
    for (const [i, peer] of roster.entries()) {
      const view = new SharedView(peer, pool, random.fork());
      this.#machines.push(new RumorMonger(options, view, random.fork()));
      // Mail goes to each live peer. Else they are only counted, and one list does for all.
      const live = experiment.mode === "mail" && i === 0 ? roster.slice(1) : roster;
      this.#each(i, 0, (machine) => machine.peersChanged(live, experiment.nodes, 0));
    }
    this.#each(0, 0, (machine) => machine.add({ key: KEY, ...HELD, origin: "write", acks: 0 }, 0));
  }

  get isHot(): boolean {
    return this.#machines.some((machine, i) => this.#isUp(i) && machine.isHot(KEY));
  }

  /** One cycle: all rounds, then all requests, then all replies, and so on until nobody says anything more. */
  step(): void {
    this.cycle += 1;
    const timers = this.#timers;
    this.#timers = [];
    for (const [i, timer] of timers) this.#each(i, 0, (machine) => machine.onTimer(timer, this.cycle));
    if (this.#experiment.writerFails === true && this.cycle === 1) this.#failWriter();
    while (this.#posts.length > 0) {
      const posts = this.#posts;
      this.#posts = [];
      for (const post of posts) this.#deliver(post);
    }
    for (const i of this.#learned) this.#knows[i] = true;
    this.knowing += this.#learned.size;
    this.#learned = new Set();
  }

  #isUp(node: number): boolean {
    return node !== 0 || this.#writerUp;
  }

  #failWriter(): void {
    this.#writerUp = false;
    const own = this.#posts.filter(({ from }) => from === 0);
    this.#posts = [
      ...own.slice(0, Math.ceil(own.length / 2)),
      ...this.#posts.filter(({ from }) => from !== 0),
    ];
  }

  #deliver({ from, to, id, message }: Post): void {
    if (message === undefined) {
      if (this.#isUp(to)) this.#each(to, from, (machine) => machine.onFailure(id, this.cycle));
      return;
    }
    if (!this.#isUp(to) || this.#lost()) {
      // The sender of a request notices, and so does the asker whose reply does not come.
      const asker = message.kind === "rumor_request" ? from : to;
      this.#posts.push({ from: to, to: asker, id, message: undefined });
      return;
    }
    const received = message.rumors.map(() => this.#judge(to));
    const sender = this.#peers[from];
    if (sender === undefined) return;
    this.#each(to, from, (machine) =>
      message.kind === "rumor_request"
        ? machine.onRequest(sender, id, message, received, this.cycle)
        : machine.onReply(id, message, received, this.cycle),
    );
  }

  #lost(): boolean {
    const { loss = 0 } = this.#experiment;
    return loss > 0 && this.#chance.next() < loss;
  }

  #judge(node: number): ReceivedRumor {
    this.updates += 1;
    if (this.#knows[node] === true) return { state: "known", held: HELD };
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
    const sender = this.#peers[from];
    if (sender === undefined) return;
    const records = message.rumors.map(() => HELD);
    this.messages += 1;
    this.bytes +=
      message.kind === "rumor_request"
        ? this.#sizes.request(sender, { message, records })
        : this.#sizes.reply(sender, { message, records });
    this.#posts.push({ from, to, id, message });
  }
}

/** One rumor from one node, until it is hot nowhere, everyone knows it and none may forget it, or `cyclesMax`. */
export function runRumorCycles(experiment: CycleExperiment): CycleResult {
  const run = new CycleRun(experiment);
  const { nodes, cyclesMax } = experiment;
  const known: number[] = [];
  let lastCycle = 0;
  let knowing = 1;
  const endless = experiment.k === Number.POSITIVE_INFINITY;
  while (run.cycle < cyclesMax && run.isHot && !(endless && knowing === nodes)) {
    run.step();
    const now = run.knowing;
    if (now > knowing) lastCycle = run.cycle;
    knowing = now;
    known.push(now);
  }
  return {
    residue: 1 - knowing / nodes,
    traffic: run.updates / nodes,
    lastCycle,
    known,
    messages: run.messages / nodes,
    bytes: run.bytes / nodes,
  };
}

/** Means of the figures over seeds 1 to `runs`; `known` is the mean too, as long as the longest run. */
export function meanOfCycles(experiment: Omit<CycleExperiment, "seed">, runs: number): CycleResult {
  const results = Array.from({ length: runs }, (_, i) => runRumorCycles({ ...experiment, seed: i + 1 }));
  const mean = (figure: (result: CycleResult) => number): number =>
    results.reduce((sum, result) => sum + figure(result), 0) / runs;
  const cycles = Math.max(...results.map((result) => result.known.length));
  return {
    residue: mean((result) => result.residue),
    traffic: mean((result) => result.traffic),
    lastCycle: mean((result) => result.lastCycle),
    messages: mean((result) => result.messages),
    bytes: mean((result) => result.bytes),
    known: Array.from({ length: cycles }, (_, i) => mean(({ known }) => known[i] ?? known.at(-1) ?? 1)),
  };
}
