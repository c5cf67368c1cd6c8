import { hlcToMs, type KeyRecord } from "@hearsay/core";
import { type Machine, START_MS } from "../cluster/machine.ts";
import { describeVersion } from "../invariants/ledger.ts";
import { hasFallenFor } from "./fallen.ts";
import type { Watcher } from "./watcher.ts";

/** By how much a clock may be off when it says since when a directory is whole. */
const CLOCK_SLACK_MS = 60_000;

/** A record is purged only when every counted member has seen its deletion. */
export function checkPurge(watcher: Watcher, machine: Machine, key: string, record: KeyRecord): void {
  const { ledger, replicas } = watcher;
  const counted = machine.member?.membership.counted().ids ?? [];
  for (const other of replicas.values()) {
    const id = other.machine.node?.id;
    if (id === undefined || other.isGivenUp || !counted.includes(id)) continue;
    for (const { version } of record.siblings) {
      const isYoung = hlcToMs(version.time) - START_MS < other.wholeSinceMs + CLOCK_SLACK_MS;
      const write = ledger.find(version);
      // An old copy may bring back a deletion that was lost when its node was given up.
      if (isYoung || write?.isExcused || write?.isForgotten || other.hadSeen(key, version)) continue;
      if (write !== undefined && hasFallenFor(ledger, write, other)) continue;
      const detail = `${machine.name} purged ${key} at ${describeVersion(version)}, of which ${other.machine.name} knows nothing`;
      watcher.report({ invariant: "resurrection", detail });
    }
  }
}
