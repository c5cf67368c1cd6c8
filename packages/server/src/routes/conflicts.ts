/** `GET /conflicts`: keys with more than one sibling. */
import { type ConflictPage, PageQuery } from "@hearsay/api";
import { formatVersion } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { recordContext } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { scanPage } from "./list.ts";
import { untilAllHeld } from "./until-held.ts";

const pageQuery = queryValidator(PageQuery);

export async function listConflicts(services: Services, exchange: Exchange): Promise<void> {
  const query = targetQuery(exchange.target);
  pageQuery.check(query);
  await untilAllHeld(services, exchange);
  const leave = services.gate.enterScan();
  try {
    const limit = parsePageLimit(query.get("limit"));
    const items: ConflictPage["items"] = [];
    const range = { prefix: query.get("prefix") ?? "", after: query.get("after") };
    const next = await scanPage(services, range, (key, record) => {
      if (record.siblings.length > 1) {
        const versions = record.siblings.map(({ version }) => formatVersion(version));
        items.push({ key, versions, context: recordContext(record) });
      }
      return { full: items.length >= limit, bytes: 0 };
    });
    exchange.json(200, { items, next } satisfies ConflictPage);
    await exchange.taken();
  } finally {
    leave();
  }
}
