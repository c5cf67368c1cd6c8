/**
 * Keeps what the node knows about its completeness: durable across restarts, in step with the member table, and
 * in the right order with purging.
 *
 * Order: a floor is durable before anything is purged to it, and the settling of a retirement before a unit says so;
 * until then the members of before the retirement stand.
 */
import {
  Completeness,
  type CompletenessEvent,
  type CompletenessState,
  type CompletenessUnit,
  type CountedMembers,
  decodeUtf8,
  encodeUtf8,
  type HeldBack,
  type HlcTime,
  INITIAL_COMPLETENESS,
  isHlcTime,
  isNodeId,
  type NodeId,
} from "@hearsay/core";
import type { Log, MetaStore } from "../ports.ts";
import type { Graveyard } from "./ports.ts";

/** Records that go in one step; between steps other work has its turn. */
const PURGE_STEP = 1000;

const META_NAME = "completeness";

export interface KeeperPorts {
  readonly meta: MetaStore;
  readonly graveyard: Graveyard;
  readonly log: Log;
  /** The member table as it is now. */
  counted(): CountedMembers;
  /** Settles when everything accepted so far is committed. */
  flush(): Promise<void>;
  /** A fresh time of the node's clock, durable before it is returned. */
  tick(): Promise<HlcTime>;
  /** A time below every own write that is not committed; durable. */
  ownTime(): Promise<HlcTime>;
  /** The node's clock takes the time into account. */
  observe(time: HlcTime): void;
}

export class CompletenessKeeper {
  readonly completeness: Completeness;
  readonly #self: NodeId;
  readonly #ports: KeeperPorts;
  #counted: CountedMembers;
  /** Retirements that are being settled, one after the other. */
  #settling: Promise<void> = Promise.resolve();
  #unsettled = 0;
  #purging: Promise<void> = Promise.resolve();
  #purgedTo: HlcTime = 0;

  /**
   * @param fresh the incarnation is new: nothing it confirmed as another one holds
   */
  constructor(self: NodeId, retention: HlcTime, incarnation: "same" | "fresh", ports: KeeperPorts) {
    const stored = readState(ports.meta);
    const state =
      incarnation === "same" ? stored : { ...stored, vector: new Map<NodeId, HlcTime>(), completeFloor: 0 };
    this.#self = self;
    this.#ports = ports;
    this.completeness = new Completeness(self, retention, state);
    this.#counted = ports.counted();
  }

  /** The members that count for claims: those of before a retirement until it is settled. */
  get members(): CountedMembers {
    if (this.#unsettled === 0) this.#counted = this.#ports.counted();
    return this.#counted;
  }

  /** Settles the retirements in a table taken over from an earlier run, which may have stopped before it had. */
  async start(): Promise<void> {
    await this.retirementAdopted();
    await this.purge();
  }

  /** A retirement is in the table; sessions with that id are dropped. Settles when it is settled. */
  async retirementAdopted(): Promise<void> {
    this.#unsettled += 1;
    this.#settling = this.#settling.then(async () => {
      await this.#ports.flush();
      this.completeness.retirementSettled(await this.#ports.tick());
      await this.save();
      this.#unsettled -= 1;
    });
    await this.#settling;
  }

  /** This node's unit as of now, and whatever follows from it for the watermark. */
  async refresh(): Promise<CompletenessUnit> {
    const ownTime = await this.#ports.ownTime();
    const unit = this.completeness.unit(this.members, ownTime, await this.#ports.tick());
    this.advance();
    return unit;
  }

  absorb(node: NodeId, unit: CompletenessUnit): void {
    this.completeness.absorb(node, unit);
  }

  /** Raises watermark and floor as far as the known units allow. */
  advance(): void {
    this.#follow(this.completeness.advance(this.members));
  }

  adoptWatermark(watermark: HlcTime): void {
    this.#follow(this.completeness.adoptWatermark(watermark));
  }

  /** Adopts the larger floor and settles when everything that goes at it is gone. */
  async settleFloor(floor: HlcTime): Promise<void> {
    this.#ports.observe(floor);
    this.#follow(this.completeness.adoptFloor(floor));
    await this.purge();
  }

  heldBackBy(): HeldBack[] {
    return this.completeness.heldBackBy(this.members);
  }

  async save(): Promise<void> {
    await this.#ports.meta.put(META_NAME, encodeUtf8(formatState(this.completeness.state)));
  }

  /** Purges to the floor, once it is durable. One purge runs at a time. */
  async purge(): Promise<void> {
    const { floor } = this.completeness;
    if (floor > this.#purgedTo) {
      this.#purgedTo = floor;
      this.#purging = this.#purging.then(async () => {
        await this.save();
        let more = true;
        while (more) ({ more } = await this.#ports.graveyard.purge(floor, PURGE_STEP));
      });
    }
    await this.#purging;
  }

  #follow(events: readonly CompletenessEvent[]): void {
    for (const event of events) {
      if (event.kind === "incomplete") {
        this.#ports.log.warn("incomplete", {
          node: this.#self,
          floor: event.floor,
          confirmed: event.completeFloor,
        });
      }
    }
  }
}

function formatState(state: CompletenessState): string {
  return JSON.stringify({ ...state, vector: [...state.vector] });
}

function readState(meta: MetaStore): CompletenessState {
  const stored = meta.get(META_NAME);
  if (stored === undefined) return INITIAL_COMPLETENESS;
  const parsed: unknown = JSON.parse(decodeUtf8(stored) ?? "null");
  if (typeof parsed !== "object" || parsed === null) return INITIAL_COMPLETENESS;
  const fields = parsed as Partial<Record<keyof CompletenessState, unknown>>;
  const time = (value: unknown): HlcTime => (isHlcTime(value) ? value : 0);
  const vector = new Map<NodeId, HlcTime>();
  for (const entry of Array.isArray(fields.vector) ? fields.vector : []) {
    const [node, at]: unknown[] = Array.isArray(entry) ? entry : [];
    if (typeof node === "string" && isNodeId(node) && isHlcTime(at)) vector.set(node, at);
  }
  return {
    vector,
    completeFloor: time(fields.completeFloor),
    floor: time(fields.floor),
    watermark: time(fields.watermark),
    settledAt: time(fields.settledAt),
  };
}
