/**
 * Waits until this node holds everything that a version's node had written up to it, for reads of many keys.
 *
 * What a node holds of another is known from exchanges alone, so an exchange with the writer settles it. Where the writer
 * cannot be asked, others may have had one with it, and hand on what that proved.
 *
 * Bound: `maxWaiting` requests wait at a time; exchanges of these with one peer are one.
 */
import { setTimeout as pause } from "node:timers/promises";
import { formatVersion, holdsAllThrough, type NodeId, type Peer, type Version } from "@hearsay/core";
import { type ClusterMember, type Node, PeerFault } from "@hearsay/node";
import { Deadline } from "../deadline.ts";
import { ApiProblem } from "../http/problem.ts";

/** Between two attempts. */
const PAUSE_MS = 100;

export interface CatchUpPorts {
  readonly node: Node;
  /** Undefined while the node starts. */
  member(): ClusterMember | undefined;
}

export class CatchUp {
  readonly #ports: CatchUpPorts;
  readonly #exchanges: Map<NodeId, Promise<void>> = new Map();
  #waiting = 0;
  #turn = 0;

  constructor(ports: CatchUpPorts) {
    this.#ports = ports;
  }

  /**
   * Settles when all of the versions are held, and everything their nodes wrote before them.
   * @throws ApiProblem `not_yet` when that takes too long or nobody waits for it any more, `overloaded` when too many wait
   */
  async until(
    versions: readonly Version[],
    limits: { readonly timeoutMs: number; readonly maxWaiting: number; isGone(): boolean },
  ): Promise<void> {
    if (this.#lacking(versions) === undefined) return;
    if (this.#waiting >= limits.maxWaiting) {
      throw new ApiProblem("overloaded", { detail: `${this.#waiting} requests wait (limits.maxWaiters).` });
    }
    this.#waiting += 1;
    const deadline = new Deadline(limits.timeoutMs);
    try {
      for (let version = this.#lacking(versions); version !== undefined; version = this.#lacking(versions)) {
        if (deadline.leftMs <= 0 || limits.isGone()) {
          throw new ApiProblem("not_yet", { members: { version: formatVersion(version) } });
        }
        await deadline.within(this.#askFor(version));
        if (this.#lacking([version]) !== undefined)
          await pause(Math.min(PAUSE_MS, Math.max(0, deadline.leftMs)));
      }
    } finally {
      this.#waiting -= 1;
    }
  }

  #lacking(versions: readonly Version[]): Version | undefined {
    return versions.find((version) => !this.#holdsThrough(version));
  }

  #holdsThrough(version: Version): boolean {
    if (this.#ports.node.holdsOwn(version)) return true;
    const keeper = this.#ports.member()?.keeper;
    return keeper !== undefined && holdsAllThrough(keeper.completeness, version, keeper.members);
  }

  /** An exchange with the writer, or else with one of the others. */
  async #askFor({ node }: Version): Promise<void> {
    const member = this.#ports.member();
    const live = member?.membership.livePeers() ?? [];
    this.#turn += 1;
    const peer = live.find(({ id }) => id === node) ?? live[this.#turn % live.length];
    if (member === undefined || peer === undefined) return;
    const running = this.#exchanges.get(peer.id) ?? this.#exchange(member, peer);
    await running;
  }

  /** What began before the write was acknowledged may not bring it; then the next one does. */
  #exchange(member: ClusterMember, peer: Peer): Promise<void> {
    const exchange = member
      .exchange(peer)
      .then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof PeerFault)) throw error;
        },
      )
      .finally(() => this.#exchanges.delete(peer.id));
    this.#exchanges.set(peer.id, exchange);
    return exchange;
  }
}
