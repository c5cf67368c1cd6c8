/** Real nodes on this machine, every link between them in the hands of the test. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SeededRandom } from "@hearsay/core";
import { type Link, nodeName } from "../plan/shapes.ts";
import { SmallDisk } from "./disk.ts";
import type { LinkState } from "./link-state.ts";
import type { HearsayCommand, Ready } from "./node-process.ts";
import { Place } from "./place.ts";

/** Everything that waits in a cluster waits a fraction of what it does by default. */
const QUICK: readonly string[] = [
  "swim.probeIntervalMs=250",
  "swim.probeTimeoutMs=200",
  "swim.reconnectIntervalMs=300",
  "swim.pushPullIntervalMs=1000",
  "antiEntropy.intervalMs=200",
  "gossip.stateIntervalMs=200",
  "clock.maxDriftMs=4000",
  "tombstones.minRetentionMs=4000",
  "peers.connectTimeoutMs=500",
  // What a busy machine refuses proves nothing.
  "overload.scansLagMs=60000",
  "overload.writesLagMs=60000",
  "overload.readsLagMs=60000",
];

export interface ClusterOptions {
  readonly nodes: number;
  /** For data; one directory a node. */
  readonly directory: string;
  /** For the logs. */
  readonly logs: string;
  readonly command: HearsayCommand;
  readonly seed: number;
  readonly set: readonly string[];
  /** Whether one node shall have a disk that can be filled. */
  readonly smallDisk: boolean;
}

export interface ClusterEvents {
  started(place: Place, ready: Ready): void;
  ended(place: Place, ending: string, expected: boolean): void;
  complained(place: Place, text: string): void;
}

const OPEN: LinkState = { kind: "open" };

export class ChaosCluster {
  readonly places: readonly Place[];
  readonly #links: Map<string, LinkState> = new Map();
  #closed: Promise<void> | undefined;
  #smallDisk: { readonly disk: SmallDisk; readonly place: Place } | undefined;

  private constructor(options: ClusterOptions, events: ClusterEvents) {
    const random = new SeededRandom(options.seed);
    const net = networkOf(process.pid);
    this.places = Array.from({ length: options.nodes }, (_, index) => {
      const name = nodeName(index);
      const place: Place = new Place(
        {
          index,
          name,
          host: `${net}.${index + 1}`,
          proxyHost: `${net}.${index + 101}`,
          data: join(options.directory, name, "data"),
          log: join(options.logs, `${name}.log`),
          clockFile: join(options.directory, `${name}.clock`),
          command: options.command,
          set: [...QUICK, ...options.set],
          random: random.fork(),
          linkFrom: (caller) => this.#link(Number(caller.slice(caller.lastIndexOf(".") + 1)) - 1, index),
        },
        {
          started: (ready) => events.started(place, ready),
          ended: (ending, expected) => events.ended(place, ending, expected),
          complained: (text) => events.complained(place, text),
        },
      );
      return place;
    });
  }

  /** Prepares the places; starts nothing. */
  static async open(options: ClusterOptions, events: ClusterEvents): Promise<ChaosCluster> {
    const cluster = new ChaosCluster(options, events);
    await mkdir(options.logs, { recursive: true });
    for (const place of cluster.places) {
      await mkdir(join(options.directory, place.name), { recursive: true });
      await place.open();
    }
    const last = cluster.places.at(-1);
    if (options.smallDisk && last !== undefined) {
      const disk = await SmallDisk.mount(join(options.directory, last.name));
      if (disk !== undefined) cluster.#smallDisk = { disk, place: last };
    }
    return cluster;
  }

  get smallDisk(): { readonly disk: SmallDisk; readonly place: Place } | undefined {
    return this.#smallDisk;
  }

  /** Where all others can be reached. */
  joinFor(place: Place): string[] {
    return this.places.filter((other) => other !== place).map(({ address }) => address);
  }

  /** Sets the state of links; those of earlier calls keep theirs. */
  setLinks(links: readonly Link[], state: LinkState): void {
    for (const { from, to } of links) this.#links.set(`${from}>${to}`, state);
    for (const { proxy } of this.places) proxy.enforce();
  }

  openLinks(): void {
    this.#links.clear();
    for (const { proxy } of this.places) proxy.enforce();
  }

  /** Ends everything that was started; may be called at any time. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all(this.places.map((place) => place.close()));
    await this.#smallDisk?.disk.unmount();
  }

  #link(from: number, to: number): LinkState {
    return this.#links.get(`${from}>${to}`) ?? OPEN;
  }
}

/** Loopback addresses of this process alone, so that several runs on one machine do not meet. */
function networkOf(pid: number): string {
  return `127.${16 + (pid % 223)}.${Math.floor(pid / 223) % 251}`;
}
