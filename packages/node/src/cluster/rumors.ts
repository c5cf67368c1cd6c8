/**
 * Drives rumor mongering: loads the records that messages carry, merges those that arrive, and answers only when
 * they are committed, so that an answer is an acknowledgement.
 */
import {
  type CarriedRumor,
  covers,
  type HeldRecord,
  type KeyRecord,
  type LoadedRumor,
  type LoadedRumorReply,
  type LoadedRumorRequest,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerSampler,
  type RandomSource,
  type ReceivedRumor,
  type RumorHeldEvent,
  RumorMonger,
  type RumorOptions,
  type RumorReply,
  type RumorRequest,
  type RumorTimer,
  type Update,
} from "@hearsay/core";
import type { ExchangeReplica } from "../exchange/replica.ts";
import { recordBytes } from "../exchange/session.ts";
import { PeerFault } from "../peer-fault.ts";
import type { RepeatLog } from "../repeat-log.ts";
import { EffectDriver } from "./effect-driver.ts";
import type { Timers, Transport } from "./ports.ts";

export interface RumorPorts {
  readonly timers: Timers;
  readonly transport: Transport;
  readonly random: RandomSource;
  readonly sampler: PeerSampler;
  readonly troubles: RepeatLog;
  /** A peer durably holds this state of a key's record, or a later one. */
  held(event: RumorHeldEvent): void;
  /** This node may be gone soon, with whatever it is given: nobody is to count on it. */
  isLeaving(): boolean;
  /** Membership changes to send along; each counts as sent. */
  updatesToSend(): readonly Update[];
  /** Membership changes that came along. */
  updatesCame(updates: readonly Update[], from: NodeId): void;
}

/** A reply, and what became of the rumors in it. */
interface Answered {
  readonly reply: RumorReply;
  readonly received: readonly ReceivedRumor[];
}

type LoadedRumors = Pick<LoadedRumorReply, "rumors" | "standing">;

export class Rumors {
  readonly #replica: ExchangeReplica;
  readonly #maxMessageBytes: number;
  readonly #ports: RumorPorts;
  readonly #monger: RumorMonger;
  readonly #driver: EffectDriver<RumorRequest, RumorReply, Answered, RumorTimer, RumorHeldEvent>;
  #toldDropped = 0;

  constructor(replica: ExchangeReplica, options: RumorOptions, ports: RumorPorts) {
    this.#replica = replica;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#ports = ports;
    this.#monger = new RumorMonger(options, ports.sampler, ports.random.fork());
    const now = (): number => ports.timers.monotonicMs();
    this.#driver = new EffectDriver(
      {
        answered: (id, { reply, received }) => this.#monger.onReply(id, reply, received, now()),
        failed: (id) => this.#monger.onFailure(id, now()),
        timer: (timer) => this.#monger.onTimer(timer, now()),
        event: (event) => ports.held(event),
      },
      (to, message, timeoutMs) => this.#send(to, message, timeoutMs),
      ports.timers,
    );
  }

  get monger(): RumorMonger {
    return this.#monger;
  }

  stop(): void {
    this.#driver.stop();
  }

  /**
   * A record of this node is fresh and durable.
   * @param acks peers its writer waits for
   */
  spread(key: string, record: KeyRecord, origin: "write" | "repair", acks: number): void {
    const { versions, sizeBytes } = heldRecord(key, record);
    const rumor = { key, versions, sizeBytes, origin, acks };
    this.#driver.perform(this.#monger.add(rumor, this.#ports.timers.monotonicMs()));
    this.#tellDropped();
  }

  peersChanged(live: readonly Peer[], clusterSize: number): void {
    this.#driver.perform(this.#monger.peersChanged(live, clusterSize, this.#ports.timers.monotonicMs()));
  }

  async serve(from: Peer, message: LoadedRumorRequest): Promise<LoadedRumorReply> {
    const received = await this.#take(from.id, message);
    this.#tellDropped();
    this.#updatesCame(message.updates, from.id);
    const { rumors, wants, answers, pull } = message;
    const request: RumorRequest = { kind: "rumor_request", rumors, wants, answers, pull };
    const reply = await this.#driver.serve((token) =>
      this.#monger.onRequest(from, token, request, received, this.#ports.timers.monotonicMs()),
    );
    return {
      kind: "rumors-reply",
      standing: this.#replica.standing(),
      turn: reply.turn,
      answers: reply.answers,
      rumors: this.#load(reply.rumors),
      updates: this.#ports.updatesToSend(),
    };
  }

  async #send(to: Peer, message: RumorRequest, timeoutMs: number): Promise<Answered> {
    const reply = expectRumors(await this.#request(to, message, timeoutMs));
    this.#updatesCame(reply.updates, to.id);
    const received = await this.#take(to.id, reply);
    const { turn, answers, rumors } = reply;
    return { reply: { kind: "rumor_reply", turn, answers, rumors }, received };
  }

  /** Rumors that the full hot list gave up reach the others by exchanges only, which takes longer. */
  #tellDropped(): void {
    const { dropped } = this.#monger.counters;
    if (dropped === this.#toldDropped) return;
    this.#toldDropped = dropped;
    this.#ports.troubles.note("rumors_dropped", { code: "hot_list_full", dropped });
  }

  /** Not a part of the above, which would keep the records in memory for as long as it waits. */
  #request(to: Peer, { rumors, wants, answers, pull }: RumorRequest, timeoutMs: number): Promise<PeerReply> {
    return this.#ports.transport.request(
      to,
      {
        kind: "rumors",
        standing: this.#replica.standing(),
        rumors: this.#load(rumors),
        wants,
        answers,
        pull,
        updates: this.#ports.updatesToSend(),
      },
      timeoutMs,
    );
  }

  #updatesCame(updates: readonly Update[], from: NodeId): void {
    if (updates.length > 0) this.#ports.updatesCame(updates, from);
  }

  /**
   * Puts in the records the store holds now. A rumor whose record is gone is left out. A record may be larger than was said of it, as it
   * has grown or a peer says so: those that do not fit are only offered, and asked for again; the first goes whatever its size.
   */
  #load(rumors: readonly CarriedRumor[]): LoadedRumor[] {
    const loaded: LoadedRumor[] = [];
    let bytes = 0;
    let isFull = false;
    for (const rumor of rumors) {
      const held: KeyRecord | undefined = rumor.inline && !isFull ? this.#replica.get(rumor.key) : undefined;
      if (rumor.inline && !isFull && held === undefined) continue;
      const size: number = held === undefined ? 0 : recordBytes(rumor.key, held);
      isFull ||= bytes > 0 && bytes + size > this.#maxMessageBytes;
      const record = held === undefined || isFull ? null : held;
      if (record !== null) bytes += size;
      const { key, versions, sizeBytes, hops, mailed } = rumor;
      loaded.push({ key, versions, sizeBytes, hops, mailed, inline: record !== null, record });
    }
    return loaded;
  }

  /** Merges what came with records; settles when it is committed, with what became of each rumor. */
  async #take(from: NodeId, { rumors, standing }: LoadedRumors): Promise<ReceivedRumor[]> {
    const carried = rumors.flatMap(({ key, record }) => (record === null ? [] : [{ key, record }]));
    if (carried.length > 0) this.#replica.takesFrom(from);
    const changed = (await this.#replica.takeMail(carried, standing)).values();
    return rumors.map((rumor) =>
      this.#verdict(rumor, rumor.record === null ? undefined : changed.next().value),
    );
  }

  /** @param changed what the rumor has made of the record, which is durable; undefined when it changed nothing */
  #verdict(rumor: LoadedRumor, changed: KeyRecord | undefined): ReceivedRumor {
    if (this.#ports.isLeaving()) return { state: "refused" };
    const held = changed ?? this.#replica.get(rumor.key);
    // A record covers what it holds.
    const isHeld = held !== undefined && rumor.versions.every((version) => covers(held.context, version));
    // Something old came along that is no news, and was left to an exchange.
    if (!isHeld) return { state: rumor.record === null ? "lacking" : "refused" };
    return {
      state: changed === undefined ? "known" : "new",
      held: heldRecord(rumor.key, held),
    };
  }
}

function heldRecord(key: string, record: KeyRecord): HeldRecord {
  return { versions: record.siblings.map(({ version }) => version), sizeBytes: recordBytes(key, record) };
}

function expectRumors(reply: PeerReply): LoadedRumorReply {
  if (reply.kind === "rumors-reply") return reply;
  throw new PeerFault({ code: "bad_message", what: reply.kind });
}
