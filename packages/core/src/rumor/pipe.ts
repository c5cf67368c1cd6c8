import type { Peer } from "../effects.ts";
import type { HotRumor } from "./hot-list.ts";
import {
  answerBytes,
  type CarriedRumor,
  type Rumor,
  type RumorAnswer,
  type RumorRequest,
  rumorOverheadBytes,
} from "./messages.ts";

/** Room in one message. */
export class MessageBudget {
  #bytes: number;
  #rumors: number;

  constructor(maxBytes: number, maxRumors: number) {
    this.#bytes = maxBytes - MESSAGE_FRAME_BYTES;
    this.#rumors = maxRumors;
  }

  /** Whether the rumor fits, with its record where it goes inline; takes the room if so. */
  takeRumor(rumor: Rumor, inline: boolean): boolean {
    const bytes = rumorOverheadBytes(rumor) + (inline ? rumor.sizeBytes : 0);
    if (this.#rumors < 1 || bytes > this.#bytes) return false;
    this.#rumors -= 1;
    this.#bytes -= bytes;
    return true;
  }

  takeBytes(bytes: number): boolean {
    if (bytes > this.#bytes) return false;
    this.#bytes -= bytes;
    return true;
  }
}

/** Whether a record can be sent as a rumor at all: alone in a message. */
export function fitsMessage(rumor: Rumor, maxMessageBytes: number): boolean {
  return rumorOverheadBytes(rumor) + rumor.sizeBytes <= maxMessageBytes - MESSAGE_FRAME_BYTES;
}

export function carried(rumor: Rumor, inline: boolean): CarriedRumor {
  const { key, versions, sizeBytes, hops, mailed } = rumor;
  return { key, versions, sizeBytes, hops, mailed, inline };
}

const MESSAGE_FRAME_BYTES = 256;

export interface InFlight {
  readonly id: number;
  readonly contacts: ReadonlyMap<string, HotRumor>;
  /** Records sent because the peer asked for them; their first contact was counted before. */
  readonly owed: ReadonlyMap<string, HotRumor>;
  readonly wants: ReadonlyMap<string, Rumor>;
}

export interface ComposedRequest {
  readonly message: RumorRequest;
  readonly contacts: ReadonlyMap<string, HotRumor>;
}

export interface PipeLimits {
  readonly maxMessageBytes: number;
  readonly maxRumorsPerMessage: number;
}

export interface LingerOptions {
  readonly lingerMs: number;
  readonly lingerMin: number;
}

/**
 * What is to be said to one peer. Invariant: at most one request is in flight; whatever comes up meanwhile waits here, keyed
 * by key and so bounded by the hot list and the list of wants, and goes into the next.
 */
export class Pipe {
  peer: Peer;
  /** Offers to make. */
  queue: Map<string, HotRumor> = new Map();
  /** Records the peer asked for. */
  owed: Map<string, HotRumor> = new Map();
  /** Records to ask the peer for. */
  wants: Map<string, Rumor> = new Map();
  answers: { readonly turn: number; readonly list: readonly RumorAnswer[] } | undefined;
  pull = false;
  inFlight: InFlight | undefined;
  /** Until then the peer is left alone after a failure. */
  resumeAtMs: number = Number.NEGATIVE_INFINITY;
  /** Mail that lingers leaves then; infinite while none does. */
  leavesAtMs: number = Number.POSITIVE_INFINITY;
  /** What this node's last reply to the peer carried. */
  replied: { readonly turn: number; readonly rumors: ReadonlyMap<string, HotRumor> } | undefined;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  /** Answers alone are worth no message: they wait for the next one. */
  get hasSomethingToSay(): boolean {
    return this.pull || this.queue.size > 0 || this.owed.size > 0 || this.wants.size > 0;
  }

  /**
   * Whether what waits here is better sent later, with what comes up meanwhile: many records, each on its way to as many peers as anyone
   * waits for. Few long messages cost the coordinator and its peers less than many short ones. The first time it notes when that ends.
   */
  lingers(now: number, { lingerMs, lingerMin }: LingerOptions): boolean {
    if (this.pull || this.owed.size > 0 || this.wants.size > 0) return false;
    if (this.queue.size < lingerMin || now >= this.leavesAtMs) return false;
    for (const { mailed, sends, acks } of this.queue.values()) if (!mailed || sends < acks) return false;
    this.leavesAtMs = Math.min(this.leavesAtMs, now + lingerMs);
    return now < this.leavesAtMs;
  }

  /** Whether this very rumor waits here or is on its way. */
  has(rumor: HotRumor): boolean {
    return this.queue.get(rumor.key) === rumor || this.inFlight?.contacts.get(rumor.key) === rumor;
  }

  clear(): void {
    this.queue = new Map();
    this.owed = new Map();
    this.wants = new Map();
    this.answers = undefined;
    this.pull = false;
    this.leavesAtMs = Number.POSITIVE_INFINITY;
    this.replied = undefined;
  }

  /** Whether nothing would be lost by forgetting this pipe. */
  isIdle(now: number): boolean {
    return (
      this.inFlight === undefined &&
      this.replied === undefined &&
      this.answers === undefined &&
      !this.hasSomethingToSay &&
      now >= this.resumeAtMs
    );
  }

  /**
   * Takes as much as fits into one request, records owed first: someone waits for them.
   */
  compose(id: number, limits: PipeLimits, goesInline: (rumor: HotRumor) => boolean): ComposedRequest {
    const budget = new MessageBudget(limits.maxMessageBytes, limits.maxRumorsPerMessage);
    const rumors: CarriedRumor[] = [];
    const owed = new Map<string, HotRumor>();
    for (const [key, rumor] of this.owed) {
      if (!budget.takeRumor(rumor, true)) break;
      owed.set(key, rumor);
      rumors.push(carried(rumor, true));
    }
    this.owed = without(this.owed, owed);
    const wants = new Map<string, Rumor>();
    for (const [key, rumor] of this.wants) {
      if (!budget.takeRumor(rumor, false)) break;
      wants.set(key, rumor);
    }
    this.wants = without(this.wants, wants);
    const answers = this.#takeAnswers(budget);
    const contacts = new Map<string, HotRumor>();
    for (const [key, rumor] of this.queue) {
      // Offering more to a peer that is still owed records would only make the debt grow.
      if (this.owed.size > 0) break;
      const inline = goesInline(rumor);
      if (!budget.takeRumor(rumor, inline)) break;
      contacts.set(key, rumor);
      if (!owed.has(key)) rumors.push(carried(rumor, inline));
    }
    this.queue = without(this.queue, contacts);
    const pull = this.pull;
    this.pull = false;
    this.leavesAtMs = Number.POSITIVE_INFINITY;
    this.inFlight = { id, contacts, owed, wants };
    const message: RumorRequest = {
      kind: "rumor_request",
      rumors,
      wants: [...wants.values()],
      answers,
      pull,
    };
    return { message, contacts };
  }

  /** Answers that do not fit are lost: they only tell the peer sooner what it learns from the next contact. */
  #takeAnswers(budget: MessageBudget): Pipe["answers"] {
    const answers = this.answers;
    this.answers = undefined;
    if (answers === undefined) return undefined;
    return {
      turn: answers.turn,
      list: answers.list.filter((answer) => budget.takeBytes(answerBytes(answer))),
    };
  }
}

/** What remains when some were taken: mostly nothing, and that is a new map, which costs the garbage collector less. */
function without<T>(all: Map<string, T>, taken: ReadonlyMap<string, T>): Map<string, T> {
  if (taken.size === all.size) return new Map();
  for (const key of taken.keys()) all.delete(key);
  return all;
}
