/**
 * News about this node itself that some live peers are told directly, without waiting for the next probe: those that are in doubt
 * where there are not enough others. They may be alive, and who leaves may have given one of them all it had.
 */
import { type RandomSource, shuffled } from "../random.ts";
import { type Member, type MemberState, peerOf } from "./member.ts";
import type { MemberView } from "./member-view.ts";
import type { Prober } from "./prober.ts";
import type { SwimEffect } from "./swim-messages.ts";

/** Until somebody has heard it, a node tells so many times that it goes for good: nobody else can, and its id would hold the others back. */
const LEAVING_ROUNDS = 5;

export class Announcer {
  readonly #view: MemberView;
  readonly #prober: Prober;
  readonly #random: RandomSource;
  #maySpreadAtMs = Number.NEGATIVE_INFINITY;

  constructor(view: MemberView, prober: Prober, random: RandomSource) {
    this.#view = view;
    this.#prober = prober;
    this.#random = random;
  }

  /** Tells that this node stops or is retired; event `announced` follows when all who were told last have answered or failed to. */
  announce(state: MemberState, out: SwimEffect[]): void {
    this.#announce(state, state === "retired" ? LEAVING_ROUNDS : 1, out);
  }

  #announce(state: MemberState, rounds: number, out: SwimEffect[]): void {
    const peers = this.#choose();
    const told = peers.length;
    let open = told;
    let confirmed = 0;
    const finish = (effects: SwimEffect[]): void => {
      if (confirmed === 0 && told > 0 && rounds > 1) this.#announce(state, rounds - 1, effects);
      else effects.push({ kind: "event", event: { kind: "announced", state, confirmed, told } });
    };
    if (told === 0) finish(out);
    for (const peer of peers) {
      this.#prober.ping(peerOf(peer), this.#view.config.probeTimeoutMs, out, (outcome, _at, effects) => {
        open -= 1;
        if (outcome.kind === "reply") confirmed += 1;
        if (open === 0) finish(effects);
      });
    }
  }

  /**
   * A refutation races a time-out, so it does not wait for the next period, which local health may have stretched. At
   * most once a period, so that nobody can make this node send without end.
   */
  spreadRefutation(nowMs: number, out: SwimEffect[]): void {
    if (!this.#view.takeRefuted() || nowMs < this.#maySpreadAtMs) return;
    const { probeIntervalMs, probeTimeoutMs } = this.#view.config;
    this.#maySpreadAtMs = nowMs + probeIntervalMs;
    for (const peer of this.#choose()) {
      this.#prober.ping(peerOf(peer), probeTimeoutMs, out, () => undefined);
    }
  }

  #choose(): Member[] {
    const { config, self, table } = this.#view;
    const suspects = table.live().filter(({ id, state }) => state === "suspect" && id !== self.id);
    const peers = [...shuffled(this.#random, this.#view.alivePeers()), ...shuffled(this.#random, suspects)];
    return peers.slice(0, config.announceFanout);
  }
}
