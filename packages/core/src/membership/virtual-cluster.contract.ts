/**
 * Drives membership machines on virtual time: an event queue, a network that delays, loses and cuts, and processes that
 * crash, pause and come back. Everything follows from the seed. It also holds the machines to the effects contract.
 */
import type { NodeId } from "../identity.ts";
import { SeededRandom } from "../random.ts";
import { EventQueue, type QueuedEvent } from "./event-queue.contract.ts";
import type { Member } from "./member.ts";
import { Swim } from "./swim.ts";
import { SWIM_DEFAULTS, type SwimConfig } from "./swim-config.ts";
import type { SwimEffect, SwimEvent, SwimReply, SwimRequest } from "./swim-messages.ts";

export interface VirtualClusterOptions {
  readonly seed: number;
  readonly config?: Partial<SwimConfig>;
  /** Share of messages lost, requests and replies alike. */
  readonly loss?: number;
}

interface Process {
  readonly swim: Swim;
  readonly member: Member;
  running: boolean;
  /** Nothing runs before. */
  pausedUntilMs: number;
  /** No message comes or goes before. */
  blockedUntilMs: number;
  /** Timers that came due while it was killed, should it be revived. */
  readonly held: (() => void)[];
}

interface Scheduled extends QueuedEvent {
  readonly process: Process;
  readonly run: () => void;
}

export interface Logged {
  readonly atMs: number;
  readonly node: NodeId;
  readonly event: SwimEvent;
}

const LATENCY_MS: readonly [number, number] = [0.2, 2];

export function memberOf(name: string, changes: Partial<Member> = {}): Member {
  const id = `${name}~${"0".repeat(10)}`;
  const protocol = { min: 1, max: 1 };
  return {
    id,
    address: `${name}:1`,
    generation: 0,
    state: "alive",
    zone: "",
    protocol,
    build: "",
    ...changes,
  };
}

/** A digest that keeps what it is given: equal exactly when the canonical lists are. */
export const identityHash = (canonical: string): string => canonical;

export class VirtualCluster {
  nowMs = 0;
  messages = 0;
  readonly log: Logged[] = [];
  /** Sees every request as it leaves. */
  onRequest: (from: Member, to: string, message: SwimRequest) => void = () => undefined;
  loss: number;
  readonly config: SwimConfig;
  readonly #random: SeededRandom;
  readonly #network: SeededRandom;
  readonly #processes: Map<NodeId, Process> = new Map();
  readonly #byAddress: Map<string, Process> = new Map();
  readonly #unanswered: Map<number, (reply: SwimReply) => void> = new Map();
  readonly #queue: EventQueue<Scheduled> = new EventQueue();
  /** Side of the partition by id; equal sides reach each other. */
  #sides: ReadonlyMap<NodeId, number> = new Map();
  readonly #cutPairs: Set<string> = new Set();
  #scheduled = 0;
  #token = 0;

  constructor({ seed, config = {}, loss = 0 }: VirtualClusterOptions) {
    this.config = { ...SWIM_DEFAULTS, ...config };
    this.loss = loss;
    this.#random = new SeededRandom(seed);
    this.#network = this.#random.fork();
  }

  /** Starts a process. One that had this id before is replaced; `known` is what its disk remembers. */
  start(
    member: Member,
    known: {
      members?: readonly Member[];
      retired?: readonly NodeId[];
      entered?: boolean;
      belongs?: boolean;
      boundTo?: readonly NodeId[];
    } = {},
  ): Swim {
    const { members = [], retired = [], entered = false, belongs = false, boundTo = [] } = known;
    const options = { self: member, config: this.config, random: this.#random.fork(), hash: identityHash };
    const swim = new Swim({
      ...options,
      known: { members, retired },
      entered,
      belongs: () => belongs,
      boundTo: () => boundTo,
    });
    const process = { swim, member, running: true, pausedUntilMs: 0, blockedUntilMs: 0, held: [] };
    const earlier = this.#processes.get(member.id);
    if (earlier !== undefined) earlier.running = false;
    this.#processes.set(member.id, process);
    this.#byAddress.set(member.address, process);
    this.#perform(process, swim.start(this.nowMs));
    return swim;
  }

  /** Starts `count` members that know one another. */
  startKnown(count: number): Member[] {
    const members = Array.from({ length: count }, (_, i) => memberOf(`n${i}`));
    for (const member of members) this.start(member, { members });
    return members;
  }

  swim(id: NodeId): Swim {
    return this.#process(id).swim;
  }

  /** Calls a method of a machine and performs its effects. */
  act(id: NodeId, action: (swim: Swim, nowMs: number) => SwimEffect[]): void {
    const process = this.#process(id);
    this.#perform(process, action(process.swim, this.nowMs));
  }

  kill(id: NodeId): void {
    this.#process(id).running = false;
  }

  /** Undoes a kill: timers that came due meanwhile run now, messages that arrived are lost. */
  revive(id: NodeId): void {
    const process = this.#process(id);
    process.running = true;
    for (const run of process.held.splice(0)) this.#later(process, 0, 0, run);
  }

  pause(id: NodeId, forMs: number): void {
    this.#process(id).pausedUntilMs = this.nowMs + forMs;
  }

  /** Slow message processing as the Lifeguard paper injects it: messages wait on both ways, timers run. */
  block(id: NodeId, forMs: number): void {
    this.#process(id).blockedUntilMs = this.nowMs + forMs;
  }

  partition(...sides: readonly (readonly NodeId[])[]): void {
    this.#sides = new Map(sides.flatMap((ids, side) => ids.map((id): [NodeId, number] => [id, side])));
  }

  /** Cuts the way between two processes and no other. */
  cutPair(a: NodeId, b: NodeId): void {
    this.#cutPairs.add(`${a} ${b}`).add(`${b} ${a}`);
  }

  heal(): void {
    this.#sides = new Map();
  }

  run(forMs: number): void {
    this.runUntil(() => false, forMs);
  }

  /** Runs until the condition holds after a step. @returns the time it took; undefined when it never held. */
  runUntil(condition: () => boolean, withinMs: number): number | undefined {
    const startedAtMs = this.nowMs;
    for (;;) {
      if (condition()) return this.nowMs - startedAtMs;
      const next = this.#queue.first;
      if (next === undefined || next.atMs > startedAtMs + withinMs) {
        this.nowMs = startedAtMs + withinMs;
        return undefined;
      }
      this.#queue.pop();
      this.nowMs = next.atMs;
      if (!next.process.running) {
        if (next.rank === 0) next.process.held.push(next.run);
        continue;
      }
      const { pausedUntilMs, blockedUntilMs } = next.process;
      const readyAtMs = next.rank === 0 ? pausedUntilMs : Math.max(pausedUntilMs, blockedUntilMs);
      if (readyAtMs > this.nowMs) this.#queue.push({ ...next, atMs: readyAtMs });
      else next.run();
    }
  }

  /** Whether every running process sees every running process alive. */
  allSeeAll(): boolean {
    const running = [...this.#processes.values()].filter((process) => process.running);
    return running.every(({ swim }) =>
      running.every(({ member }) => swim.table.stateOf(member.id) === "alive"),
    );
  }

  eventsOf<Kind extends SwimEvent["kind"]>(
    kind: Kind,
  ): (Logged & { event: Extract<SwimEvent, { kind: Kind }> })[] {
    const isOfKind = (entry: Logged): entry is Logged & { event: Extract<SwimEvent, { kind: Kind }> } =>
      entry.event.kind === kind;
    return this.log.filter(isOfKind);
  }

  /** Deaths seen, each as the observer and the one declared dead. */
  deaths(): { readonly atMs: number; readonly node: NodeId; readonly of: NodeId }[] {
    return this.eventsOf("member-changed")
      .filter(({ event }) => event.member.state === "dead")
      .map(({ atMs, node, event }) => ({ atMs, node, of: event.member.id }));
  }

  #perform(process: Process, effects: readonly SwimEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "event":
          this.log.push({ atMs: this.nowMs, node: process.member.id, event: effect.event });
          break;
        case "timer":
          if (!Number.isSafeInteger(effect.afterMs) || effect.afterMs < 0)
            throw new Error(`a timer after ${effect.afterMs}`);
          this.#later(process, effect.afterMs, 0, () =>
            this.#perform(process, process.swim.timer(effect.timer, this.nowMs)),
          );
          break;
        case "request":
          this.#request(process, effect);
          break;
        case "reply":
          this.#answer(effect.token, effect.message);
      }
    }
  }

  #request(process: Process, effect: Extract<SwimEffect, { kind: "request" }>): void {
    let open = true;
    this.onRequest(process.member, effect.to.address, effect.message);
    this.#later(process, effect.timeoutMs, 0, () => {
      if (!open) return;
      open = false;
      this.#perform(process, process.swim.failed(effect.id, { kind: "timeout" }, this.nowMs));
    });
    const receiver = this.#byAddress.get(effect.to.address);
    const token = ++this.#token;
    this.#send(process, receiver, () => {
      if (receiver === undefined) return;
      this.#unanswered.set(token, (reply) =>
        this.#send(receiver, process, () => {
          if (!open) return;
          open = false;
          this.#perform(process, process.swim.reply(effect.id, reply, this.nowMs));
        }),
      );
      this.#perform(receiver, receiver.swim.request(effect.message, token, this.nowMs));
    });
  }

  #answer(token: number, reply: SwimReply): void {
    const answer = this.#unanswered.get(token);
    if (answer === undefined) throw new Error("a request was answered twice, or never made");
    this.#unanswered.delete(token);
    answer(reply);
  }

  /** One message on the network. */
  #send(from: Process, to: Process | undefined, arrive: () => void): void {
    this.messages += 1;
    const latencyMs = LATENCY_MS[0] + this.#network.next() * (LATENCY_MS[1] - LATENCY_MS[0]);
    const lost = this.#network.next() < this.loss;
    if (to === undefined || lost || this.#cut(from, to)) return;
    this.#later(to, latencyMs + Math.max(0, from.blockedUntilMs - this.nowMs), 1, arrive);
  }

  #cut(from: Process, to: Process): boolean {
    if (this.#cutPairs.has(`${from.member.id} ${to.member.id}`)) return true;
    return this.#sides.get(from.member.id) !== this.#sides.get(to.member.id);
  }

  #process(id: NodeId): Process {
    const process = this.#processes.get(id);
    if (process === undefined) throw new Error(`no process ${id}`);
    return process;
  }

  #later(process: Process, afterMs: number, rank: 0 | 1, run: () => void): void {
    this.#scheduled += 1;
    this.#queue.push({ atMs: this.nowMs + afterMs, rank, order: this.#scheduled, process, run });
  }
}
