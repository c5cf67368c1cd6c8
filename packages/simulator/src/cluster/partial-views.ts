/**
 * Nodes that gossip with a few others only, which change by Cyclon's shuffles. No node of the product does, and the wire has no
 * message for it, so shuffles are handed over here. Nothing in the protocol may rely on everybody being talked to.
 */
import { CyclonView, DEFAULT_CYCLON_OPTIONS, type Peer, SeededRandom, shuffled } from "@hearsay/core";
import type { Hooks } from "./composition.ts";
import type { Machine } from "./machine.ts";
import type { Opened, Run } from "./run.ts";
import type { VirtualCluster } from "./virtual-cluster.ts";

const SHUFFLE_MS = 2_000;

interface Viewer {
  readonly run: Run;
  readonly view: CyclonView;
}

export class PartialViews implements Hooks {
  readonly #cluster: VirtualCluster;
  readonly #size: number;
  readonly #random: SeededRandom;
  /** By the ids of nodes that run. */
  readonly #viewers: Map<string, Viewer> = new Map();

  constructor(cluster: VirtualCluster, size: number, seed: number) {
    this.#cluster = cluster;
    this.#size = size;
    this.#random = new SeededRandom(seed + 2);
  }

  opened({ member }: Opened, { address, run }: Machine): void {
    if (run === undefined) return;
    const { id, membership, rumors } = member;
    const options = { ...DEFAULT_CYCLON_OPTIONS, viewSize: this.#size, shuffleLength: this.#size };
    const view = new CyclonView({ id, address }, options, this.#random.fork());
    this.#viewers.set(id, { run, view });
    const livePeers = membership.livePeers.bind(membership);
    membership.livePeers = () => this.#seen(view, livePeers());
    const peersChanged = rumors.peersChanged.bind(rumors);
    rumors.peersChanged = (live) => peersChanged(live, livePeers().length + 1);
    const shuffle = (): void => {
      this.#shuffle(address, view);
      rumors.peersChanged(membership.livePeers(), 0);
      run.after(SHUFFLE_MS, shuffle);
    };
    run.after(SHUFFLE_MS * this.#random.next(), shuffle);
  }

  /** Of those alive the ones in the view. Where there are none, some are introduced. */
  #seen<P extends Peer>(view: CyclonView, live: readonly P[]): readonly P[] {
    const seen = (): readonly P[] => live.filter(({ id }) => view.entries.some(({ peer }) => peer.id === id));
    const known = seen();
    if (known.length > 0 || live.length === 0) return known;
    for (const { peer } of view.entries) view.remove(peer.id);
    view.introduce(shuffled(this.#random, live));
    return seen();
  }

  #shuffle(address: string, view: CyclonView): void {
    for (const effect of view.onTimer()) {
      if (effect.kind !== "request") continue;
      const { id, to, message } = effect;
      const other = this.#viewers.get(to.id);
      const isUp = other !== undefined && !other.run.hasEnded && !other.run.isPaused;
      const isReached = isUp && !this.#cluster.links.isCut(address, to.address);
      const [reply] = isReached ? other.view.onRequest(0, message) : [];
      if (reply?.kind === "reply") view.onReply(id, reply.message);
      else view.onFailure(id);
    }
  }
}
