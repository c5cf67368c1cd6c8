/** What this node tells all others about itself, and what it takes of what they tell. */
import type { NodeId } from "@hearsay/core";
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

  constructor(ports: MemberPorts, parts: MemberParts, lifecycle: Lifecycle) {
    this.#ports = ports;
    this.#parts = parts;
    this.#lifecycle = lifecycle;
  }

  /** The root as of now, as far as it is published. */
  async root(): Promise<string> {
    return (await this.#ports.digests.root()).slice(0, PUBLISHED_ROOT_DIGITS);
  }

  async publish(): Promise<void> {
    const { keeper, membership, states } = this.#parts;
    const isAlone = membership.counted().ids.length === 1;
    // Until it is in the others' table a newcomer counts only itself, and what it then says of completeness is not theirs.
    const isMember = this.#lifecycle.joiningState.kind === "member";
    const unit = isMember ? await keeper.refresh() : undefined;
    const { records, bytes } = this.#ports.facts.stats();
    states.publish({
      unit,
      watermark: unit === undefined ? undefined : keeper.completeness.watermark,
      keys: records,
      bytes,
      // Nobody compares it then, and after an import it takes a hash for every bucket each time.
      root: isAlone ? undefined : await this.root(),
      notWritable: this.#lifecycle.notWritable()?.code ?? "",
    });
  }

  learnt(id: NodeId, { unit, watermark }: PublishedState): void {
    const { keeper } = this.#parts;
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
    keeper.advance();
  }
}
