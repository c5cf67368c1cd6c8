/** Writers that wait until so many replicas hold their write. */
import type { NodeId, Peer, Version } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import type { Timers } from "./ports.ts";

/** How often peers are asked for an acknowledgement that no rumor has brought. */
const ACK_ASK_INTERVAL_MS = 250;

export interface WriteConcernPorts {
  readonly acks: Acknowledgements;
  readonly timers: Timers;
  livePeers(): readonly Peer[];
  /** Sends the committed record of the key on its way, with so many peers to be heard from. */
  spread(key: string, acks: number): void;
  /** @throws PeerFault */
  peerHolds(peer: Peer, key: string, version: Version, timeoutMs: number): Promise<boolean>;
}

export class WriteConcern {
  readonly #ports: WriteConcernPorts;

  constructor(ports: WriteConcernPorts) {
    this.#ports = ports;
  }

  /**
   * Spreads a committed write and settles with the number of nodes that durably hold it, this one included: `needed` at
   * best, fewer when the time is over.
   * @throws PeerFault `busy` when too many wait already
   */
  async acknowledged(key: string, version: Version, needed: number, timeoutMs: number): Promise<number> {
    const { acks, timers, spread } = this.#ports;
    if (needed <= 1) {
      spread(key, 0);
      return 1;
    }
    if (acks.full) throw new PeerFault({ code: "busy" });
    return await new Promise((resolve) => {
      const cancels = new Set<() => void>();
      const settle = (holders: number): void => {
        for (const cancel of cancels) cancel();
        resolve(holders);
      };
      const wait = acks.wait(key, version, needed - 1, (peers) => settle(peers + 1));
      cancels.add(timers.after(timeoutMs, () => settle(wait.end() + 1)));
      // A peer that was away for a moment gets the write by an exchange, of which no rumor tells.
      const ask = (): void => {
        cancels.add(timers.after(ACK_ASK_INTERVAL_MS, ask));
        this.#askWhoHolds(key, version, wait.peers);
      };
      cancels.add(timers.after(ACK_ASK_INTERVAL_MS, ask));
      spread(key, needed - 1);
    });
  }

  /** Asks the peers that have not said so yet whether they hold a write somebody waits for. */
  #askWhoHolds(key: string, version: Version, known: ReadonlySet<NodeId>): void {
    const { acks, livePeers, peerHolds } = this.#ports;
    for (const peer of livePeers()) {
      if (known.has(peer.id)) continue;
      peerHolds(peer, key, version, ACK_ASK_INTERVAL_MS).then(
        (held) => {
          if (held) acks.held({ kind: "rumor_held", peer: peer.id, key, versions: [version] });
        },
        // It is asked again, as long as somebody waits.
        () => undefined,
      );
    }
  }
}
