/**
 * Writers that wait until so many replicas hold their write.
 *
 * Peers tell by their answers to rumors, and by the end of an exchange, which vouches for all that was written before it
 * began. Only a peer that has done neither for a while is asked, and for a few writes at a time: a burst of writes that is
 * late must not be made later by as many questions.
 */
import type { NodeId, Peer, Version } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { Acknowledgements, AwaitedWrite } from "./acknowledgements.ts";
import type { Timers } from "./ports.ts";

/** How often peers are asked for acknowledgements that neither a rumor nor an exchange has brought. */
const ASK_INTERVAL_MS = 250;
/** For so many writes a peer is asked at a time. */
const ASKS_PER_PEER = 16;

export interface WriteConcernPorts {
  readonly acks: Acknowledgements;
  readonly timers: Timers;
  livePeers(): readonly Peer[];
  /** Members that count beside this one. */
  others(): number;
  /** Sends the committed record of the key on its way, with so many peers to be heard from. */
  spread(key: string, acks: number): void;
  /** @throws PeerFault */
  peerHolds(peer: Peer, key: string, version: Version, timeoutMs: number): Promise<boolean>;
}

export class WriteConcern {
  readonly #ports: WriteConcernPorts;
  /** Peers that are being asked. */
  readonly #asked: Set<NodeId> = new Set();
  #armed = false;

  constructor(ports: WriteConcernPorts) {
    this.#ports = ports;
  }

  /**
   * Spreads a committed write and settles with the number of nodes that durably hold it, this one included: `needed` at
   * best, fewer when the time is over, or when all members hold it that are left.
   * @throws PeerFault `busy` when too many wait already
   */
  acknowledged(key: string, version: Version, needed: number, timeoutMs: number): Promise<number> {
    const { acks, timers, spread, others } = this.#ports;
    const peersNeeded = Math.min(needed - 1, others());
    if (peersNeeded <= 0) {
      spread(key, 0);
      return Promise.resolve(1);
    }
    if (acks.full) return Promise.reject(new PeerFault({ code: "busy" }));
    return new Promise((resolve) => {
      const write = { key, version, sinceMs: timers.monotonicMs() };
      const wait = acks.wait(write, peersNeeded, (peers) => {
        endWait();
        resolve(peers + 1);
      });
      const endWait = timers.after(timeoutMs, () => resolve(wait.end() + 1));
      this.#arm();
      spread(key, peersNeeded);
    });
  }

  /** As long as somebody waits. */
  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#ports.timers.after(ASK_INTERVAL_MS, () => {
      this.#armed = false;
      if (this.#ports.acks.size === 0) return;
      this.#askAll();
      this.#arm();
    });
  }

  #askAll(): void {
    const { acks, timers, livePeers } = this.#ports;
    const beganByMs = timers.monotonicMs() - ASK_INTERVAL_MS;
    for (const peer of livePeers()) {
      if (this.#asked.has(peer.id)) continue;
      const writes = acks.unheardFrom(peer.id, beganByMs, ASKS_PER_PEER);
      if (writes.length === 0) continue;
      this.#asked.add(peer.id);
      void Promise.all(writes.map((write) => this.#ask(peer, write))).then(() => {
        this.#asked.delete(peer.id);
      });
    }
  }

  async #ask(peer: Peer, { key, version }: AwaitedWrite): Promise<void> {
    const { acks, peerHolds } = this.#ports;
    try {
      if (!(await peerHolds(peer, key, version, ASK_INTERVAL_MS))) return;
    } catch (error) {
      // It is asked again, as long as somebody waits.
      if (error instanceof PeerFault) return;
      throw error;
    }
    acks.held({ kind: "rumor_held", peer: peer.id, key, versions: [version] });
  }
}
