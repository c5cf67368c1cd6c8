/** `GET /cluster/tombstones`: deleted and expiring keys whose records are still kept, oldest first. */
import { TombstoneQuery, type TombstoneReport } from "@hearsay/api";
import { formatVersion, hlcToMs, winner } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { isoTime } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

const tombstoneQuery = queryValidator(TombstoneQuery);

export async function listTombstones(services: Services, exchange: Exchange): Promise<void> {
  const leave = services.gate.enterScan();
  try {
    const query = targetQuery(exchange.target);
    tombstoneQuery.check(query);
    const items: TombstoneReport["items"] = [];
    for (const { key, purgeableFrom } of await services.store.graves(parsePageLimit(query.get("limit")))) {
      const record = services.node.get(key);
      if (record === undefined || winner(record).kind !== "tombstone") continue;
      const { version } = winner(record);
      items.push({
        key,
        version: formatVersion(version),
        time: isoTime(hlcToMs(version.time)),
        removableFrom: isoTime(hlcToMs(purgeableFrom)),
      });
    }
    const report: TombstoneReport = {
      count: services.store.stats().tombstones,
      oldest: items[0]?.time ?? null,
      blockedBy: [],
      items,
    };
    exchange.json(200, report);
  } finally {
    leave();
  }
}
