/** `GET /cluster/tombstones`: deleted and expiring keys whose records are still kept, oldest first, and why. */
import { TombstoneQuery, type TombstoneReport } from "@hearsay/api";
import {
  formatVersion,
  type HlcTime,
  hlcFromMs,
  hlcToMs,
  nodeName,
  watermarkFor,
  winner,
} from "@hearsay/core";
import type { ClusterMember } from "@hearsay/node";
import { throughIso } from "../cluster/naming.ts";
import type { Exchange } from "../http/exchange.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { isoTime } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

const tombstoneQuery = queryValidator(TombstoneQuery);

/** A live member whose confirmation is younger than this is not holding anything back, only a moment behind. */
const LAG_GRACE_MS = 10_000;

export async function listTombstones(services: Services, exchange: Exchange): Promise<void> {
  const leave = services.gate.enterScan();
  try {
    const query = targetQuery(exchange.target);
    tombstoneQuery.check(query);
    const retention = hlcFromMs(services.settings["tombstones.minRetentionMs"]);
    const items: TombstoneReport["items"] = [];
    let oldestNeeds: HlcTime | undefined;
    for (const { key, purgeableFrom } of await services.store.graves(parsePageLimit(query.get("limit")))) {
      const record = services.node.get(key);
      if (record === undefined || winner(record).kind !== "tombstone") continue;
      const { version } = winner(record);
      const needed = watermarkFor(purgeableFrom, retention);
      oldestNeeds ??= needed;
      items.push({
        key,
        version: formatVersion(version),
        time: isoTime(hlcToMs(version.time)),
        removableFrom: isoTime(hlcToMs(needed)),
      });
    }
    const member = services.cluster.attached;
    const report: TombstoneReport = {
      count: services.store.stats().tombstones,
      oldest: items[0]?.time ?? null,
      floor: throughIso(member?.keeper.completeness.floor),
      watermark: throughIso(member?.keeper.completeness.watermark),
      oldestRemovableFrom: items[0]?.removableFrom ?? null,
      blockedBy:
        member === undefined || oldestNeeds === undefined
          ? []
          : blockers(member, oldestNeeds, services.clock.nowMs()),
      items,
    };
    exchange.json(200, report);
  } finally {
    leave();
  }
}

/**
 * Members that have not confirmed what the oldest tombstone needs: those that are down hold it back already, the others
 * only once it could have gone without them.
 */
function blockers(member: ClusterMember, needed: HlcTime, nowMs: number): TombstoneReport["blockedBy"] {
  const isDue = hlcToMs(needed) + LAG_GRACE_MS < nowMs;
  return member.membership.members().flatMap(({ id, state }) => {
    const completeThrough = member.keeper.completeness.unitOf(id)?.completeThrough ?? 0;
    if (completeThrough >= needed || (state === "alive" && !isDue)) return [];
    return [{ id, name: nodeName(id), state, completeThrough: throughIso(completeThrough) }];
  });
}
