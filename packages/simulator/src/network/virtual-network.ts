import {
  ANYONE,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerRequest,
  type SeededRandom,
} from "@hearsay/core";
import { type ClusterMember, PeerFault } from "@hearsay/node";
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from "@hearsay/wire";
import type { VirtualTime } from "../time/virtual-time.ts";

const LATENCY_MS = 1;
export const CLUSTER = "test";
export const MAX_MESSAGE_BYTES: number = 8 * 1024 * 1024;

/** Who sends, and from where. */
export interface Sender {
  readonly id: NodeId;
  readonly address: string;
}

export class VirtualNetwork {
  /** The chance that a message, or the answer to one, is lost. */
  lossRate = 0;
  /** The longest that a message takes beyond the least. */
  jitterMs = 0;
  /** Messages by kind, and their bytes. */
  readonly traffic: Map<string, { messages: number; bytes: number }> = new Map();
  readonly #cuts: Set<string> = new Set();
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  /** Who is reached at an address now. */
  readonly #at: (address: string) => ClusterMember | undefined;

  constructor(time: VirtualTime, random: SeededRandom, at: (address: string) => ClusterMember | undefined) {
    this.#time = time;
    this.#random = random;
    this.#at = at;
  }

  /** Cuts the link from one address to another, and not the way back. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  async request(from: Sender, to: Peer, message: PeerRequest, timeoutMs: number): Promise<PeerReply> {
    return await this.#within(timeoutMs, this.#deliver(from, to, message));
  }

  /** Carries a message as the wire would: encoded, decoded, delayed, cut. */
  async #deliver(from: Sender, to: Peer, message: PeerRequest): Promise<PeerReply> {
    const bytes = encodeRequest({ cluster: CLUSTER, from: from.id, message });
    this.#count(message.kind, bytes.length);
    await this.#delay();
    if (this.#isLost()) return await this.#never();
    const receiver = this.#at(to.address);
    if (receiver === undefined || this.#cuts.has(`${from.address}>${to.address}`)) {
      throw new PeerFault({ code: "unreachable" });
    }
    const decoded = decodeRequest(bytes, MAX_MESSAGE_BYTES);
    if ("fault" in decoded) throw new Error(JSON.stringify(decoded.fault));
    const answer = await this.#answer(receiver, decoded.envelope.from, decoded.envelope.message);
    await this.#delay();
    if (this.#isLost() || this.#cuts.has(`${to.address}>${from.address}`)) return await this.#never();
    if ("reason" in answer) throw new PeerFault({ code: "refused", reason: answer.reason });
    this.#count(message.kind, answer.bytes.length);
    const reply = decodeReply(answer.bytes, MAX_MESSAGE_BYTES);
    if ("fault" in reply) throw new Error(JSON.stringify(reply.fault));
    const { from: answeredBy, message: answered } = reply.envelope;
    if (to.id !== ANYONE && to.id !== answeredBy && answered.kind !== "refused") {
      throw new PeerFault({ code: "refused", reason: "not_me" });
    }
    return answered;
  }

  async #answer(
    receiver: ClusterMember,
    from: NodeId,
    message: PeerRequest,
  ): Promise<{ readonly bytes: Uint8Array } | { readonly reason: string }> {
    try {
      return { bytes: encodeReply({ from: receiver.id, message: await receiver.serve(from, message) }) };
    } catch (error) {
      if (error instanceof PeerFault) return { reason: error.reason.code };
      throw error;
    }
  }

  #delay(): Promise<void> {
    const jitterMs = this.jitterMs === 0 ? 0 : this.#random.next() * this.jitterMs;
    return new Promise((resolve) => {
      this.#time.after(LATENCY_MS + jitterMs, resolve);
    });
  }

  #isLost(): boolean {
    return this.lossRate > 0 && this.#random.next() < this.lossRate;
  }

  /** What does not arrive is known to its sender only by the time that passes. */
  #never(): Promise<never> {
    return new Promise(() => undefined);
  }

  #within<T>(timeoutMs: number, delivered: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#time.after(timeoutMs, () => reject(new PeerFault({ code: "timeout" })));
      delivered.then(resolve, reject).finally(cancel);
    });
  }

  #count(kind: string, bytes: number): void {
    const seen = this.traffic.get(kind) ?? { messages: 0, bytes: 0 };
    seen.messages += 1;
    seen.bytes += bytes;
    this.traffic.set(kind, seen);
  }
}
