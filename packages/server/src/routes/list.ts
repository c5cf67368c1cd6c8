/** `GET /kv`: pages of JSON, or all of it as lines. */
import { LIMITS, type ListItem, type ListPage, ListQuery, MEDIA_TYPES } from "@hearsay/api";
import type { KeyRecord } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { listItem } from "../http/render.ts";
import { pour } from "../http/stream.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { scanWhole } from "./scan-whole.ts";
import { untilAllHeld } from "./until-held.ts";

const listQuery = queryValidator(ListQuery);

interface Listing {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly values: boolean;
}

export async function listKeys(services: Services, exchange: Exchange): Promise<void> {
  const query = targetQuery(exchange.target);
  listQuery.check(query);
  if (acceptsLines(exchange)) refuseEndless(exchange);
  await untilAllHeld(services, exchange);
  const leave = services.gate.enterScan();
  try {
    const listing = {
      prefix: query.get("prefix") ?? "",
      after: query.get("after"),
      values: query.get("keys") !== "true",
    };
    const limit = query.get("limit");
    if (acceptsLines(exchange)) {
      await sendLines(
        services,
        exchange,
        listing,
        limit === undefined ? Number.POSITIVE_INFINITY : Number(limit),
      );
    } else {
      exchange.json(200, await page(services, listing, parsePageLimit(limit)));
      await exchange.taken();
    }
  } finally {
    leave();
  }
}

/** A page is the default, so lines have to be named, and not with the weight 0, which refuses them (RFC 9110, section 12.4.2). */
function acceptsLines({ headers }: Exchange): boolean {
  const ranges = headers.accept?.toLowerCase().split(",") ?? [];
  return ranges.some((range) => {
    const [type, ...parameters] = range.split(";").map((part) => part.trim());
    return type === MEDIA_TYPES.ndjson && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}

/**
 * In HTTP/1.0 an answer ends where its connection does, and a line says of none that it is the last: cut off, they would look
 * whole. All else that is streamed has an end of its own.
 * @throws ApiProblem `not_implemented`
 */
function refuseEndless({ raw }: Exchange): void {
  if (raw.httpVersion !== "1.0") return;
  throw new ApiProblem("not_implemented", {
    detail: "Lines are not sent in HTTP/1.0, where nobody sees that some are missing.",
    next: "Ask in HTTP/1.1, also what stands in between (nginx: proxy_http_version 1.1); or ask for pages.",
  });
}

/** Records read for one page at most, so that a page among many deleted keys ends too. */
const PAGE_MAX_RECORDS = 10 * LIMITS.pageMaxItems;

async function page(services: Services, listing: Listing, limit: number): Promise<ListPage> {
  const items: ListItem[] = [];
  const found = await scanPage(services, listing, (key, record) => {
    const item = listItem(key, record, { nowMs: services.clock.nowMs(), values: listing.values });
    if (item === undefined) return { full: false, bytes: 0 };
    items.push(item);
    return { full: items.length >= limit, bytes: listing.values ? item.size : 0 };
  });
  return { items, next: found };
}

/**
 * Reads records in key order until the visitor is full, the page has its bytes or its records, or the range ends.
 * @returns where the next page starts; null when there is none
 */
export async function scanPage(
  services: Services,
  range: { readonly prefix: string; readonly after: string | undefined },
  visit: (key: string, record: KeyRecord) => { readonly full: boolean; readonly bytes: number },
): Promise<string | null> {
  const maxBytes = services.settings["limits.maxPageBytes"];
  let { after } = range;
  let bytes = 0;
  let records = 0;
  for (;;) {
    const { entries, next } = await scanWhole(services.store, {
      prefix: range.prefix,
      after,
      limit: LIMITS.pageMaxItems,
    });
    for (const [i, { key, record }] of entries.entries()) {
      const visited = visit(key, record);
      bytes += visited.bytes;
      records += 1;
      if (visited.full || bytes >= maxBytes || records >= PAGE_MAX_RECORDS) {
        return i === entries.length - 1 && next === undefined ? null : key;
      }
    }
    if (next === undefined) return null;
    after = next;
  }
}

async function sendLines(
  services: Services,
  exchange: Exchange,
  listing: Listing,
  limit: number,
): Promise<void> {
  exchange.begin(200, ["Content-Type", MEDIA_TYPES.ndjson]);
  await pour(
    exchange.response,
    lines(services, listing, limit),
    services.settings["limits.slowReaderTimeoutMs"],
  );
}

async function* lines(services: Services, listing: Listing, limit: number): AsyncGenerator<string> {
  let { after } = listing;
  let left = limit;
  while (left > 0) {
    const { entries, next } = await scanWhole(services.store, {
      prefix: listing.prefix,
      after,
      limit: LIMITS.pageMaxItems,
    });
    let text = "";
    for (const { key, record } of entries) {
      const item = listItem(key, record, { nowMs: services.clock.nowMs(), values: listing.values });
      if (item === undefined) continue;
      text += `${JSON.stringify(item)}\n`;
      left -= 1;
      if (left === 0) break;
    }
    if (text !== "") yield text;
    if (next === undefined) return;
    after = next;
  }
}
