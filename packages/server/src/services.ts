/** What routes work with, put together once by the composition root. */
import type { Clock, Log, Node, RecordStore, RepeatLog } from "@hearsay/node";
import type { Store } from "@hearsay/store";
import { clusterChecks } from "./cluster/checks.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Settings } from "./config/knobs.ts";
import type { ByteBudget } from "./http/body.ts";
import type { ExchangePorts } from "./http/exchange.ts";
import type { Gate } from "./http/gate.ts";
import type { PreparedValues } from "./http/prepared.ts";
import type { PeerPorts } from "./peer/routes.ts";
import { isRestoringExactly } from "./snapshot/exact-mark.ts";
import type { WatchHub } from "./watch/hub.ts";

/** What routes need of the store beyond single records. */
export type ServedStore = RecordStore &
  Pick<
    Store,
    | "stats"
    | "snapshot"
    | "graves"
    | "gravesBetween"
    | "ghosts"
    | "discardGhost"
    | "verify"
    | "damaged"
    | "sequence"
    | "onCommit"
  >;

/** One line of `/readyz?verbose`. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Whether the node counts as ready only when this holds. */
  readonly needed: boolean;
  readonly detail: string;
}

export interface Services {
  readonly settings: Settings;
  readonly node: Node;
  readonly store: ServedStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Where what fails over and over is told. */
  readonly troubles: RepeatLog;
  readonly gate: Gate;
  readonly budget: ByteBudget;
  readonly exchange: ExchangePorts;
  readonly prepared: PreparedValues;
  /** Directory for uploads on their way. */
  readonly spool: string;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  readonly cluster: Cluster;
  readonly peers: PeerPorts;
  readonly watch: WatchHub;
  checks(): readonly Check[];
  /** Ends this run and begins another on the same directory, which salvages and rebuilds what is noted as damaged. */
  restart(reason: string): void;
}

const UNFINISHED_RESTORE =
  "a part of a snapshot: an exact restore is under way, or was cut off; then send the snapshot again";

/** Ready means that reads are answered: with a full disk a node still is, and says what it cannot do. */
export function checksOf(services: Services): readonly Check[] {
  const { gate, store } = services;
  const { condition, damaged, ghosts } = store.stats();
  const isRestoring = isRestoringExactly(store.meta);
  return [
    { name: "phase", ok: gate.phase === "ready", needed: true, detail: gate.phase },
    { name: "store", ok: condition !== "failed", needed: true, detail: condition },
    {
      name: "writes",
      ok: condition === "ok",
      needed: false,
      detail: condition === "full" ? "the disk is full; reads go on" : condition,
    },
    { name: "records", ok: damaged === 0, needed: false, detail: `${damaged} damaged` },
    {
      name: "kept aside",
      ok: ghosts === 0,
      needed: false,
      detail: ghosts === 0 ? "nothing" : `${ghosts} versions that were deleted: hearsay ghosts shows them`,
    },
    {
      name: "restore",
      ok: !isRestoring,
      needed: false,
      detail: isRestoring ? UNFINISHED_RESTORE : "none under way",
    },
    ...clusterChecks(services.cluster.attached, services.settings.join),
  ];
}
