/** Does what was planned, each lane in order, and records what came of it. */
import { UNREADABLE } from "../check/flipped.ts";
import type { ChaosCluster } from "../cluster/chaos-cluster.ts";
import { loseDirectory } from "../cluster/disk.ts";
import { NodeEndedError } from "../cluster/node-process.ts";
import type { Place } from "../cluster/place.ts";
import type { FaultEvent } from "../history/events.ts";
import type { FaultName } from "../plan/faults.ts";
import type { PlannedFault } from "../plan/schedule.ts";
import { nodeName } from "../plan/shapes.ts";
import { destroyData, fillDisk, forgetAgain } from "./disk-faults.ts";
import { CLOCKS, Mutexes, NETWORK } from "./mutexes.ts";
import { breakLinks, moveClock } from "./outer-faults.ts";
import { pause } from "./pause.ts";
import { killAll, killNode, pauseNode, stopNode } from "./process-faults.ts";
import type { Recorder } from "./recorder.ts";
import type { Targets } from "./target.ts";

/** What came of a fault, beside when it was. */
export type Came = Partial<
  Pick<FaultEvent, "detail" | "nodes" | "skipped" | "pastSuspicion" | "kills" | "lostId" | "keptThrough">
>;

export type Act = (injector: Injector, fault: PlannedFault) => Promise<Came>;

const ACTS: { readonly [Name in FaultName]: Act } = {
  partition: breakLinks,
  hole: breakLinks,
  delay: breakLinks,
  loss: breakLinks,
  trickle: breakLinks,
  cut: breakLinks,
  kill: killNode,
  "kill-all": killAll,
  pause: pauseNode,
  stop: stopNode,
  "disk-full": fillDisk,
  "flip-bits": destroyData,
  "disk-lost": destroyData,
  "old-copy": destroyData,
  clock: moveClock,
};

/** What a fault has for itself while it lasts; those that destroy data see to that themselves. */
function partsOf({ kind, nodes }: PlannedFault): readonly number[] {
  switch (kind) {
    case "flip-bits":
    case "disk-lost":
    case "old-copy":
    case "disk-full":
      return [];
    case "clock":
      return [CLOCKS];
    case "kill":
    case "kill-all":
    case "pause":
    case "stop":
      return nodes;
    default:
      return [NETWORK];
  }
}

/** Longer than a disk is full. */
const STARTS_MAX = 8;
const START_AGAIN_MS = 1_000;

export class Injector {
  readonly cluster: ChaosCluster;
  readonly targets: Targets;
  readonly recorder: Recorder;
  /** Aborted when everything has to be in order again. */
  readonly healing: AbortSignal;
  readonly mutexes: Mutexes = new Mutexes();
  /** Ids whose directories are gone for good. */
  readonly gone: Set<string> = new Set();

  constructor(cluster: ChaosCluster, targets: Targets, recorder: Recorder, healing: AbortSignal) {
    this.cluster = cluster;
    this.targets = targets;
    this.recorder = recorder;
    this.healing = healing;
  }

  /** Settles when the lane has been worked through, or what it had begun has been undone. */
  async run(lane: readonly PlannedFault[]): Promise<void> {
    for (const fault of lane) {
      await pause(fault.atMs - this.recorder.nowMs(), this.healing);
      if (this.healing.aborted) return;
      await this.mutexes.hold(partsOf(fault), () => this.#perform(fault));
    }
  }

  /** When the faults are over: whoever ended by itself is started too, and nobody goes on counting one that is gone. */
  async startAll(): Promise<void> {
    await Promise.all(this.cluster.places.map(async (place) => place.runs || (await this.start(place))));
    await forgetAgain(this);
  }

  place(index: number): Place {
    const place = this.cluster.places[index];
    if (place === undefined) throw new Error(`there is no node ${index}`);
    return place;
  }

  /**
   * Starts a node in its place, again if need be. One that does not start is recorded.
   * @param replaces whether to do what a node asks for that cannot read its directory: to give it an empty one
   * @returns whether that was done
   */
  async start(place: Place, replaces: boolean = false): Promise<boolean> {
    let isReplaced = false;
    for (let tries = 1; ; tries++) {
      try {
        await place.start(this.cluster.joinFor(place));
        return isReplaced;
      } catch (error) {
        if (!(error instanceof NodeEndedError)) throw error;
        if (replaces && !isReplaced && UNREADABLE.test(error.complaint)) {
          await loseDirectory(place.data);
          isReplaced = true;
          continue;
        }
        if (tries === STARTS_MAX) {
          const { recorder } = this;
          const atMs = recorder.nowMs();
          recorder.record({
            type: "process",
            atMs,
            node: place.name,
            event: "not_back",
            expected: false,
            ending: error.message,
          });
          return isReplaced;
        }
        await pause(START_AGAIN_MS, new AbortController().signal);
      }
    }
  }

  async #perform(fault: PlannedFault): Promise<void> {
    if (this.healing.aborted) return;
    const { kind, detail } = fault;
    const nodes = fault.nodes.map(nodeName);
    const atMs = this.recorder.nowMs();
    const came = await ACTS[kind](this, fault);
    const endMs = this.recorder.nowMs();
    this.recorder.record({ type: "fault", atMs, endMs, kind, nodes, detail, ...came });
  }
}
