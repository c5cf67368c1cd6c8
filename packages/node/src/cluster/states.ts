/** Drives the gossip of node states: what each node says of itself, known to all. */
import {
  type CompletenessUnit,
  DEFAULT_STATE_GOSSIP_OPTIONS,
  type HlcTime,
  isHlcTime,
  NODE_STATE_LIMITS,
  type NodeId,
  NodeStates,
  type Peer,
  type PeerReply,
  type PeerSampler,
  type RandomSource,
  type StateEvent,
  StateGossip,
  type StateReply,
  type StateRequest,
  type StateTimer,
  type StateValue,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import { EffectDriver } from "./effect-driver.ts";
import type { Timers, Transport } from "./ports.ts";
import { formatUnit, parseUnit } from "./unit-text.ts";

/** What a node says of itself. */
export interface PublishedState {
  readonly unit: CompletenessUnit | undefined;
  readonly watermark: HlcTime | undefined;
  readonly keys: number | undefined;
  readonly bytes: number | undefined;
  /** The first 16 hexadecimal digits of its root. */
  readonly root: string | undefined;
  /** Why it takes no client writes; empty when it does. */
  readonly notWritable: string | undefined;
}

export interface StatePorts {
  readonly timers: Timers;
  readonly transport: Transport;
  readonly random: RandomSource;
  readonly sampler: PeerSampler;
  /** Times the interval until the next round: 1, or more while nothing is going on. */
  stretch(): number;
  isMember(id: NodeId): boolean;
  /** A peer's state became known, or newer. */
  learnt(id: NodeId, state: PublishedState): void;
}

export class States {
  readonly #ports: StatePorts;
  readonly #states: NodeStates;
  readonly #gossip: StateGossip;
  readonly #driver: EffectDriver<StateRequest, StateReply, StateReply, StateTimer, StateEvent>;
  readonly #heardAtMs: Map<NodeId, number> = new Map();

  /** @param generation above that of every earlier start of this node */
  constructor(self: NodeId, generation: number, intervalMs: number, ports: StatePorts) {
    this.#ports = ports;
    this.#states = new NodeStates(self, generation, NODE_STATE_LIMITS, (id) => ports.isMember(id));
    const options = { ...DEFAULT_STATE_GOSSIP_OPTIONS, intervalMs };
    this.#gossip = new StateGossip(this.#states, options, ports.sampler, ports.random.fork());
    this.#driver = new EffectDriver(
      {
        answered: (id, reply) => this.#gossip.onReply(id, reply),
        failed: (id) => {
          this.#gossip.onFailure(id);
          return [];
        },
        timer: () => this.#gossip.onTimer(ports.stretch()),
        event: (event) => this.#onEvent(event),
      },
      async (to: Peer, message, timeoutMs) =>
        expectState(await ports.transport.request(to, message, timeoutMs)),
      ports.timers,
    );
  }

  /** See {@link StateGossip.ignored}. */
  get ignored(): StateGossip["ignored"] {
    return this.#gossip.ignored;
  }

  start(): void {
    this.#driver.perform(this.#gossip.start());
  }

  stop(): void {
    this.#driver.stop();
  }

  /** A round with this peer now, in the place of one that is due. */
  meet(peer: Peer): void {
    this.#driver.perform(this.#gossip.meet(peer));
  }

  async serve(request: StateRequest): Promise<StateReply> {
    return await this.#driver.serve((token) => this.#gossip.onRequest(token, request));
  }

  /** Says of this node what changed; its root is said by itself, as that takes long. */
  publish(state: Omit<PublishedState, "root">): void {
    const values: Readonly<Record<string, StateValue | undefined>> = {
      // Before the unit: whoever has a unit has what it says of this, because changes spread in the order they were made.
      complete: state.unit === undefined ? undefined : Number(state.unit.complete),
      unit: state.unit === undefined ? undefined : formatUnit(state.unit),
      watermark: state.watermark,
      keys: state.keys,
      bytes: state.bytes,
      notWritable: state.notWritable,
    };
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) this.#states.set(name, value);
    }
  }

  /** Says one thing of this node. */
  say(name: keyof PublishedState, value: StateValue): void {
    this.#states.set(name, value);
  }

  of(id: NodeId): PublishedState | undefined {
    const values = this.#states.get(id)?.values;
    if (values === undefined) return undefined;
    const value = (name: string): StateValue | undefined => values.get(name)?.value;
    const count = (name: string): number | undefined => {
      const found = value(name);
      return typeof found === "number" && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
    };
    const text = (name: string): string | undefined => {
      const found = value(name);
      return typeof found === "string" ? found : undefined;
    };
    const watermark = value("watermark");
    return {
      // An older build does not say. It may be complete, and know better than this node.
      unit: parseUnit(text("unit") ?? "", count("complete") !== 0),
      watermark: isHlcTime(watermark) ? watermark : undefined,
      keys: count("keys"),
      bytes: count("bytes"),
      root: text("root"),
      notWritable: text("notWritable"),
    };
  }

  /** When news of the node last arrived here, on the monotonic clock; undefined for never since the start. */
  heardAtMs(id: NodeId): number | undefined {
    return this.#heardAtMs.get(id);
  }

  /** These ids will not be heard of again. */
  retire(ids: readonly NodeId[]): void {
    for (const id of ids) this.#heardAtMs.delete(id);
    this.#states.retire(ids);
  }

  #onEvent(event: StateEvent): void {
    if (event.kind !== "state_changed") return;
    this.#heardAtMs.set(event.node, this.#ports.timers.monotonicMs());
    const state = this.of(event.node);
    if (state !== undefined) this.#ports.learnt(event.node, state);
  }
}

function expectState(reply: PeerReply): StateReply {
  if (reply.kind === "state-answer" || reply.kind === "state-done") return reply;
  throw new PeerFault({ code: "bad_message", what: reply.kind });
}
