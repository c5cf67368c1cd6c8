/** `GET` and `HEAD /kv/{key}`. What has neither a query nor conditions is answered without a detour. */
import { HEADERS, type HistoryList, ReadQuery, type SiblingList } from "@hearsay/api";
import { formatVersion, isLive, type KeyRecord, winner } from "@hearsay/core";
import { checkConditions, hasConditions } from "../http/conditions.ts";
import type { Exchange } from "../http/exchange.ts";
import { BODY_HEADERS } from "../http/prepared.ts";
import { ApiProblem } from "../http/problem.ts";
import { parseAck, parseAfter, parseTimeout, queryValidator } from "../http/query.ts";
import { recordContext, siblingItem } from "../http/render.ts";
import { STAMP_HEADERS } from "../http/stamp.ts";
import { parseKeyTarget } from "../http/target.ts";
import type { Services } from "../services.ts";
import { untilHeld } from "./until-held.ts";

const readQuery = queryValidator(ReadQuery);

export function readKey(services: Services, exchange: Exchange): undefined | Promise<void> {
  services.gate.admitRead();
  const { key, parameters } = parseKeyTarget(exchange.target);
  const after = exchange.headers["hearsay-after"];
  if (parameters === undefined && after === undefined) {
    sendWinner(services, exchange, key);
    return undefined;
  }
  return readWithWishes(services, exchange, key, parameters ?? new Map());
}

async function readWithWishes(
  services: Services,
  exchange: Exchange,
  key: string,
  parameters: ReadonlyMap<string, string>,
): Promise<void> {
  readQuery.check(parameters);
  if (parameters.has("siblings") && parameters.has("history")) {
    throw new ApiProblem("invalid_query", { detail: 'Either "siblings" or "history", not both.' });
  }
  const ack = parseAck(parameters, services.cluster.size);
  const after = exchange.headers["hearsay-after"];
  if (after !== undefined) {
    await untilHeld(
      services,
      exchange.response,
      key,
      parseAfter(after),
      parseTimeout(parameters.get("timeout")),
    );
  }
  if (ack !== undefined) await services.cluster.readFrom(key, ack.needed, ack.timeoutMs);
  if (parameters.has("siblings")) sendSiblings(services, exchange, key);
  else if (parameters.has("history")) sendHistory(services, exchange, key);
  else sendWinner(services, exchange, key);
}

function sendWinner(services: Services, exchange: Exchange, key: string): void {
  const record = services.node.get(key);
  const value = record === undefined ? undefined : winner(record);
  if (record === undefined || value === undefined || !isLive(value, services.clock.nowMs())) {
    if (
      hasConditions(exchange.headers) &&
      checkConditions(exchange.headers, undefined, "read") !== "proceed"
    ) {
      throw new ApiProblem("precondition_failed");
    }
    throw notFound(record);
  }
  const prepared = services.prepared.of(record, value);
  if (hasConditions(exchange.headers)) {
    const verdict = checkConditions(exchange.headers, prepared, "read");
    if (verdict === "precondition_failed") throw new ApiProblem("precondition_failed");
    if (verdict === "not_modified") {
      exchange.send(304, prepared.headers.slice(BODY_HEADERS, -STAMP_HEADERS), undefined);
      return;
    }
  }
  exchange.sendPrepared(prepared);
}

function notFound(record: KeyRecord | undefined): ApiProblem {
  if (record === undefined) return new ApiProblem("not_found", { members: { deleted: false } });
  const { version } = winner(record);
  const headers = [HEADERS.context, recordContext(record)];
  if (record.siblings.length > 1) headers.push(HEADERS.conflicts, String(record.siblings.length - 1));
  return new ApiProblem("not_found", {
    members: { deleted: true, version: formatVersion(version) },
    headers,
  });
}

function sendSiblings(services: Services, exchange: Exchange, key: string): void {
  const record = services.node.get(key);
  if (record === undefined) throw notFound(record);
  const nowMs = services.clock.nowMs();
  const list: SiblingList = {
    key,
    context: recordContext(record),
    siblings: record.siblings.map((sibling) => siblingItem(sibling, nowMs)),
  };
  exchange.json(200, list, [HEADERS.context, list.context]);
}

function sendHistory(services: Services, exchange: Exchange, key: string): void {
  const nowMs = services.clock.nowMs();
  const list: HistoryList = {
    key,
    versions: services.node.history(key).map((sibling) => siblingItem(sibling, nowMs)),
  };
  if (list.versions.length === 0) throw notFound(undefined);
  exchange.json(200, list);
}
