/** What this node tells all others about itself, and what it takes of what they tell. */
import type { NodeId, Peer } from "@hearsay/core";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberPorts } from "./member-config.ts";
import type { MemberParts } from "./member-parts.ts";
import type { PublishedState } from "./states.ts";

/** Of 64 hexadecimal digits. */
const PUBLISHED_ROOT_DIGITS = 16;

export class Publishing {
  readonly #ports: MemberPorts;
  readonly #parts: MemberParts;
  readonly #lifecycle: Lifecycle;
  #isAdvanceDue = false;

  constructor(ports: MemberPorts, parts: MemberParts, lifecycle: Lifecycle) {
    this.#ports = ports;
    this.#parts = parts;
    this.#lifecycle = lifecycle;
  }

  /** The root as of now, as far as it is published. */
  async root(): Promise<string> {
    return (await this.#ports.digests.root()).slice(0, PUBLISHED_ROOT_DIGITS);
  }

  /** After an exchange: what it has shown is said at once, and first to the peer it was with where this node began it. */
  exchanged(peer: Peer | undefined): void {
    this.publish()
      .then(() => {
        if (peer !== undefined) this.#parts.states.meet(peer);
      })
      .catch((error: unknown) => this.#parts.troubles.failed("publication_failed", error));
  }

  async publish(): Promise<void> {
    const { keeper, membership, states } = this.#parts;
    const isAlone = membership.counted().ids.length === 1;
    // While it leaves its last one stands: what comes from here on may go with it.
    const unit = this.#lifecycle.isStaying ? await keeper.refresh() : undefined;
    const { records, bytes } = this.#ports.facts.stats();
    states.publish({
      unit,
      watermark: unit === undefined ? undefined : keeper.completeness.watermark,
      keys: records,
      bytes,
      notWritable: this.#lifecycle.notWritable()?.code ?? "",
    });
    // Nobody compares it when there is nobody else, and after an import it takes a hash for every bucket each time.
    if (!isAlone) states.say("root", await this.root());
  }

  learnt(id: NodeId, { unit, watermark }: PublishedState): void {
    const { keeper, states } = this.#parts;
    const latest = Math.max(
      watermark ?? 0,
      unit?.sequence ?? 0,
      unit?.completeThrough ?? 0,
      unit?.settledAt ?? 0,
    );
    if (this.#ports.node.observe(latest) !== undefined) {
      this.#ports.metrics.count("hearsay_future_states_total", 1);
      return;
    }
    if (unit !== undefined) keeper.absorb(id, unit);
    if (watermark !== undefined) keeper.adoptWatermark(watermark);
    if (this.#isAdvanceDue) return;
    this.#isAdvanceDue = true;
    // Once for all that a message brings: each time it looks at all members.
    void Promise.resolve().then(() => {
      this.#isAdvanceDue = false;
      keeper.advance();
      // Not left to the next publication: whoever lacks one of the units is told what they came to.
      if (this.#isMember) states.say("watermark", keeper.completeness.watermark);
    });
  }

  /** Until it is in the others' table a newcomer counts only itself, and what it then says of completeness is not theirs. */
  get #isMember(): boolean {
    return this.#lifecycle.joiningState.kind === "member";
  }
}
