/** Carries messages between runs of nodes as the wire does: encoded and decoded under the real limits, late, twice or not. */
import {
  ANYONE,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerRequest,
  type RandomSource,
} from "@hearsay/core";
import { PeerFault } from "@hearsay/node";
import { StoreError } from "@hearsay/store";
import { decodeReply, decodeRequest, encodeReply, encodeRequest, type WireFault } from "@hearsay/wire";
import type { Run } from "../cluster/run.ts";
import type { VirtualTime } from "../time/virtual-time.ts";
import { type LinkEvent, Links } from "./links.ts";

export const CLUSTER = "test";
export const MAX_MESSAGE_BYTES: number = 8 * 1024 * 1024;

/** Who sends, from where. */
export interface Sender {
  readonly id: NodeId;
  readonly address: string;
  readonly run: Run;
}

export interface NetworkPorts {
  readonly time: VirtualTime;
  readonly random: RandomSource;
  /** The run that listens at an address now. */
  at(address: string): Run | undefined;
  /** Every message that arrives, in its order. */
  arrived?(from: string, to: string, bytes: Uint8Array): void;
  happened?(event: LinkEvent): void;
  /** A node failed in serving a message, by something else than its disk. */
  broke?(error: unknown): void;
}

/** A request on its way, and what becomes of it. */
interface Letter {
  readonly from: Sender;
  readonly to: Peer;
  readonly kind: string;
  readonly bytes: Uint8Array;
  readonly isCopy: boolean;
  resolve(reply: PeerReply): void;
  reject(fault: PeerFault): void;
}

interface Answer {
  readonly bytes: Uint8Array | undefined;
  /** Why there is none. */
  readonly reason: string;
}

// Made once: the stack of an error costs as much as a message does, and these come with each one that is lost.
const UNREACHABLE = new PeerFault({ code: "unreachable" });
const TIMEOUT = new PeerFault({ code: "timeout" });

/** A second copy: nobody waits for its answer, and nobody has sent it. */
const COPY = { isCopy: true, resolve: () => undefined, reject: () => undefined };

export class VirtualNetwork {
  readonly links: Links;
  /** Messages by kind, and their bytes. */
  readonly traffic: Map<string, { messages: number; bytes: number }> = new Map();
  /** Records, and versions of records, that messages have carried. */
  records = 0;
  readonly #ports: NetworkPorts;
  readonly #happened: (event: LinkEvent) => void;

  constructor(ports: NetworkPorts) {
    this.#ports = ports;
    this.links = new Links(ports.random);
    this.#happened = (event) => ports.happened?.(event);
  }

  request(from: Sender, to: Peer, message: PeerRequest, timeoutMs: number): Promise<PeerReply> {
    return new Promise((resolve, reject) => {
      const cancel = from.run.after(timeoutMs, () => reject(TIMEOUT));
      const letter: Letter = {
        from,
        to,
        kind: message.kind,
        isCopy: false,
        bytes: encodeRequest({ cluster: CLUSTER, from: from.id, message }),
        resolve: (reply) => {
          cancel();
          resolve(reply);
        },
        reject: (fault) => {
          cancel();
          reject(fault);
        },
      };
      this.records += recordsIn(message);
      this.#count(letter.kind, letter.bytes.length);
      this.#send(letter);
    });
  }

  #send(letter: Letter): void {
    const { time } = this.#ports;
    const { links } = this;
    const { from, to } = letter;
    const latencyMs =
      links.latencyMs(from.address, to.address, this.#happened) +
      links.slownessMs(to.address, this.#happened);
    const laterMs = links.duplicateAfterMs(this.#happened);
    if (laterMs !== undefined) {
      time.after(latencyMs + laterMs, () => this.#arrive({ ...letter, ...COPY }));
    }
    if (links.isLost(this.#happened)) return;
    time.after(latencyMs, () => this.#arrive(letter));
  }

  #arrive(letter: Letter): void {
    const { from, to } = letter;
    if (this.links.isCut(from.address, to.address)) {
      this.#happened("cut");
      if (!this.links.isSilent) this.#fail(letter);
      return;
    }
    const receiver = this.#ports.at(to.address);
    if (receiver === undefined) {
      this.#fail(letter);
      return;
    }
    this.#ports.arrived?.(from.address, to.address, letter.bytes);
    receiver.whenOn(() => {
      void this.#serve(receiver, letter.bytes).then((answer) => this.#reply(letter, answer));
    });
  }

  #fail({ from, reject }: Letter): void {
    from.run.whenOn(() => reject(UNREACHABLE));
  }

  async #serve(receiver: Run, bytes: Uint8Array): Promise<Answer> {
    const decoded = decodeRequest(bytes, MAX_MESSAGE_BYTES);
    if ("fault" in decoded) return this.#unreadable(decoded.fault);
    // A node that has its port open and is still starting takes nothing.
    const member = receiver.opened?.member;
    if (member === undefined) return { bytes: undefined, reason: "busy" };
    try {
      const message = await member.serve(decoded.envelope.from, decoded.envelope.message);
      return { bytes: encodeReply({ from: member.id, message }), reason: "" };
    } catch (error) {
      if (error instanceof PeerFault) return { bytes: undefined, reason: error.reason.code };
      // What the disk causes is an answer without content to the one who asked; anything else is a mistake of ours.
      if (!(error instanceof StoreError) && !receiver.hasEnded) this.#ports.broke?.(error);
      return { bytes: undefined, reason: "failed" };
    }
  }

  /** Nodes of one version understand one another: what is sent here and cannot be read is a mistake of the one who sent it. */
  #unreadable(fault: WireFault): Answer {
    this.#ports.broke?.(new Error(JSON.stringify(fault)));
    return { bytes: undefined, reason: fault.code };
  }

  #reply(letter: Letter, answer: Answer): void {
    const { time } = this.#ports;
    const { links } = this;
    const { from, to } = letter;
    if (links.isLost(this.#happened)) return;
    const latencyMs =
      links.latencyMs(to.address, from.address, this.#happened) +
      links.slownessMs(to.address, this.#happened);
    time.after(latencyMs, () => {
      if (links.isCut(to.address, from.address)) this.#happened("cut");
      else from.run.whenOn(() => this.#take(letter, answer));
    });
  }

  #take({ from, to, kind, isCopy, resolve, reject }: Letter, { bytes, reason }: Answer): void {
    if (bytes === undefined) {
      reject(new PeerFault({ code: "refused", reason }));
      return;
    }
    this.#count(kind, bytes.length);
    this.#ports.arrived?.(to.address, from.address, bytes);
    const decoded = decodeReply(bytes, MAX_MESSAGE_BYTES);
    if ("fault" in decoded) {
      reject(new PeerFault({ code: "refused", reason: this.#unreadable(decoded.fault).reason }));
      return;
    }
    const { from: answeredBy, message } = decoded.envelope;
    if (!isCopy) this.records += recordsIn(message);
    if (to.id !== ANYONE && to.id !== answeredBy && message.kind !== "refused") {
      reject(new PeerFault({ code: "refused", reason: "not_me" }));
    } else resolve(message);
  }

  #count(kind: string, bytes: number): void {
    const seen = this.traffic.get(kind);
    if (seen === undefined) {
      this.traffic.set(kind, { messages: 1, bytes });
      return;
    }
    seen.messages += 1;
    seen.bytes += bytes;
  }
}

function recordsIn(message: PeerRequest | PeerReply): number {
  switch (message.kind) {
    case "rumors":
    case "rumors-reply":
      return message.rumors.length;
    case "exchange-transfer":
    case "exchange-transferred":
    case "exchange-more":
      return message.records.length;
    case "fetched":
      return message.record === null ? 0 : 1;
    default:
      return 0;
  }
}
