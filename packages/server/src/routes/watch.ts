/** `GET /watch`: what happens under a prefix, as server-sent events or, with `wait`, as one answer. */
import { LIMITS, MEDIA_TYPES, parseDurationMs, WatchQuery } from "@hearsay/api";
import { cursorTime, hlcFromMs, parseCursor, type WatchCursor } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { queryValidator } from "../http/query.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { voidReason } from "../watch/backlog.ts";
import { EventStream, type StreamOptions } from "../watch/event-stream.ts";
import { answerPoll } from "../watch/poll.ts";

const watchQuery = queryValidator(WatchQuery);

export async function watch(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitRead();
  const query = targetQuery(exchange.target);
  watchQuery.check(query);
  const waitMs = parseWait(query.get("wait"));
  const options = streamOptions(services, query, sinceOf(services, exchange, query.get("since")));
  const leave = enterWatch(services);
  try {
    if (waitMs === undefined) await stream(services, exchange, options);
    else await answerPoll(services.watch, exchange, options, waitMs);
  } finally {
    leave();
  }
}

/** @throws ApiProblem `too_many_watchers`, `not_ready` */
export function enterWatch({ watch: hub, gate, settings }: Services): () => void {
  const leave = hub.enter();
  if (leave !== undefined) return leave;
  gate.admitRead();
  throw new ApiProblem("too_many_watchers", {
    detail: `${hub.watchers} watch already (watch.maxWatchers is ${settings["watch.maxWatchers"]}).`,
  });
}

async function stream(services: Services, exchange: Exchange, options: StreamOptions): Promise<void> {
  const headers = [
    "Content-Type",
    MEDIA_TYPES.events,
    "Cache-Control",
    "no-store",
    "X-Accel-Buffering",
    "no",
  ];
  // An event ends with an empty line and a cursor says where to go on, so the stream needs no frames of its own, which
  // would be made and sent once for each reader.
  exchange.response.useChunkedEncodingByDefault = false;
  exchange.begin(200, headers);
  await new EventStream(services.watch, exchange.response, options).run();
}

function streamOptions(
  services: Services,
  query: ReadonlyMap<string, string>,
  since: WatchCursor | "now" | undefined,
): StreamOptions {
  const { cluster, watch: hub, settings } = services;
  const isMember = (id: string): boolean => cluster.attached?.membership.counted().ids.includes(id) ?? false;
  const reason = typeof since === "object" ? voidReason(hub, since, isMember) : undefined;
  return {
    prefix: query.get("prefix") ?? "",
    keysOnly: query.get("keys") === "true",
    since: reason === undefined ? since : undefined,
    void: reason,
    maxBytes: settings["watch.maxReaderBytes"],
    slowReaderMs: settings["limits.slowReaderTimeoutMs"],
  };
}

/**
 * The header is the newer one: a browser that reconnects keeps the query it began with.
 * @throws ApiProblem `invalid_cursor`, `cursor_of_other_cluster`
 */
function sinceOf(
  { watch: hub, node, settings, clock }: Services,
  exchange: Exchange,
  since: string | undefined,
): WatchCursor | "now" | undefined {
  const last = exchange.headers["last-event-id"];
  const text = typeof last === "string" && last !== "" ? last : since;
  if (text === undefined || text === "now") return text;
  const cursor = parseCursor(text);
  if (cursor === undefined) throw new ApiProblem("invalid_cursor");
  if (cursor.cluster !== hub.cluster) throw new ApiProblem("cursor_of_other_cluster");
  // Two clocks may each be off by as much, and this node's may have been set back since it gave the cursor.
  const ownTime = Math.max(hlcFromMs(clock.nowMs()), node.latestTime);
  const latest = ownTime + hlcFromMs(2 * settings["clock.maxDriftMs"]);
  if (cursorTime(cursor) > latest || hlcFromMs(cursor.expiredThroughMs) > latest) {
    throw new ApiProblem("invalid_cursor", { detail: "It is ahead of this node's clock." });
  }
  return cursor;
}

/** @throws ApiProblem `invalid_query` */
function parseWait(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms > LIMITS.timeoutMaxMs) {
    throw new ApiProblem("invalid_query", { detail: '"wait" is a duration such as 60s, of at most 10m.' });
  }
  return ms;
}
