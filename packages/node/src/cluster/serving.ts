/**
 * What a member answers, and to whom.
 *
 * Order of business for a message: refuse all until what an earlier run left is settled, then the retired, then those
 * nobody knows; else the protocol it belongs to takes it. Nothing is answered before what it brought is committed.
 */
import {
  ANYONE,
  type ExchangeReply,
  type ExchangeRequest,
  type FetchReply,
  type NodeId,
  type PeerReply,
  type PeerRequest,
  type PushPull,
  type SwimReply,
  type SwimRequest,
  type Version,
} from "@hearsay/core";
import { readOrLost } from "../damaged.ts";
import { PeerFault } from "../peer-fault.ts";
import type { RecordStore } from "../ports.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberParts } from "./member-parts.ts";
import type { Membership } from "./membership.ts";

export interface ServingPorts {
  readonly id: NodeId;
  readonly store: RecordStore;
  readonly parts: MemberParts;
  readonly lifecycle: Lifecycle;
  /** Whether this run has begun to take part, and has not ended. */
  isRunning(): boolean;
  /** Whether this node durably holds or covers the version. */
  holds(key: string, version: Version): boolean;
}

export class Serving {
  readonly #ports: ServingPorts;

  constructor(ports: ServingPorts) {
    this.#ports = ports;
  }

  /** Answers a peer. @throws PeerFault when it is refused */
  async serve(from: NodeId, message: PeerRequest): Promise<PeerReply> {
    const { id, parts, lifecycle, isRunning, holds } = this.#ports;
    const { membership, states, rumors } = parts;
    if (!isRunning() || lifecycle.isRetired) throw new PeerFault({ code: "busy" });
    if (membership.isRetired(from)) throw new PeerFault({ code: "retired" });
    membership.heard(from);
    switch (message.kind) {
      case "push-pull":
        await this.#found(message);
        return await this.#answered(message);
      case "ping":
      case "ping-req":
      case "retired-page":
        return await this.#answered(message);
      case "hello":
        return await lifecycle.welcome(from, message);
    }
    // Sent to an earlier incarnation at this address, and taken for a peer's, it would acknowledge this node's own writes.
    const peer = from === id ? undefined : membership.peer(from);
    if (peer === undefined) throw new PeerFault({ code: "unknown_member" });
    switch (message.kind) {
      case "state-digest":
      case "state-delta":
        return await states.serve(message);
      case "rumors":
        return await rumors.serve(peer, message);
      case "exchange-start":
      case "exchange-compare":
      case "exchange-transfer":
      case "exchange-rest":
        return await this.#exchanged(from, message);
      case "fetch":
        return this.#fetched(message.key);
      case "holds":
        // Who asks would count on what may be gone a moment later.
        if (lifecycle.isLeaving) throw new PeerFault({ code: "busy" });
        return { kind: "holds-reply", holds: holds(message.key, message.version) };
    }
  }

  /**
   * A member that looks at the address for another one records this one: as good as letting it in, and as durable before it is answered.
   * So does a newcomer that has found this one, where it was to begin a cluster and had found nobody itself.
   * @throws PeerFault `busy` where that is not so yet, or for another newcomer, or one that may not let this one in with what it holds
   */
  async #found({ from, to, belongs }: PushPull): Promise<void> {
    const { keeper, joining } = this.#ports.parts;
    // Who knows its id has recorded it already.
    const isNews = !keeper.hasBelonged && belongs && to === ANYONE;
    if (isNews && (await joining?.mayBeFound()) === false) throw new PeerFault({ code: "busy" });
    if (keeper.mayBeRecorded) return;
    const mayBe = belongs ? !keeper.isOutside : joining?.isFounding === true;
    if (!mayBe) throw new PeerFault({ code: "busy" });
    const [by, founders] = belongs ? [from.id, []] : [null, [from.id]];
    await keeper.letIn([from.address], by, founders).catch(() => {
      throw new PeerFault({ code: "busy" });
    });
  }

  /** In the turn in which the message is taken, one that was alone in doubt sees who came with it. */
  async #answered(message: SwimRequest): Promise<SwimReply> {
    const { parts, lifecycle } = this.#ports;
    const { membership, keeper } = parts;
    const reply = membership.answer(message);
    if (keeper.isAloneInDoubt && membership.members().length > 1)
      lifecycle.foundBy(isNewcomerOf(message, membership) ? "newcomer" : "others");
    return await reply;
  }

  async #exchanged(from: NodeId, message: ExchangeRequest): Promise<ExchangeReply> {
    const { parts, isRunning } = this.#ports;
    const reply = await parts.repair.answer(from, message);
    // The answer was computed across awaits, in which this node may have come into doubt, and the sender have been retired.
    if (!isRunning()) throw new PeerFault({ code: "busy" });
    if (parts.membership.isRetired(from)) throw new PeerFault({ code: "retired" });
    return reply;
  }

  #fetched(key: string): FetchReply {
    const { store, parts } = this.#ports;
    const { record, lost } = readOrLost(() => store.peek(key));
    // That nothing is held would be an answer; that it cannot be read is none.
    if (lost !== undefined) throw new PeerFault({ code: "busy" });
    return { kind: "fetched", standing: parts.replica.standing(), record: record ?? null };
  }
}

/** Whether the sender is to enter the table, and nobody has let it in who was this node or its peer before. */
function isNewcomerOf(message: SwimRequest, membership: Membership): boolean {
  if (message.kind !== "push-pull" || message.belongs) return false;
  return !message.boundTo.some((id) => membership.isRetired(id));
}
