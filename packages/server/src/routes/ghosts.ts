/**
 * `GET /cluster/ghosts` and `POST /cluster/ghosts/discard`: versions that this node has kept aside, because they were deleted or
 * superseded and came back. One is brought back as any write is made, by a put of its value.
 */
import { GhostDiscard, type GhostDiscarded, GhostQuery, type GhostReport } from "@hearsay/api";
import { compareKeys, formatVersion, hlcToMs, parseVersion, sameVersion, type Version } from "@hearsay/core";
import { GHOSTS_MAX, type Ghost } from "@hearsay/store";
import type { Exchange } from "../http/exchange.ts";
import { jsonBodyReader } from "../http/json-body.ts";
import { ApiProblem } from "../http/problem.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { base64, isoTime } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

type GhostItem = GhostReport["items"][number];

const ghostQuery = queryValidator(GhostQuery);
const ghostDiscard = jsonBodyReader(GhostDiscard);

export async function listGhosts(services: Services, exchange: Exchange): Promise<void> {
  const query = targetQuery(exchange.target);
  ghostQuery.check(query);
  const key = query.get("key");
  const wanted = query.get("version");
  if (wanted !== undefined && key === undefined) {
    throw new ApiProblem("invalid_query", { detail: '"version" goes with the "key" it is of.' });
  }
  const version = wanted === undefined ? undefined : versionOf(wanted, "invalid_query");
  const leave = services.gate.enterScan();
  try {
    const items: GhostItem[] = [];
    for await (const ghost of services.store.ghosts(key)) {
      if (version === undefined) items.push(itemOf(ghost));
      else if (sameVersion(ghost.sibling.version, version)) items.push(itemWithValue(ghost));
    }
    const report: GhostReport = {
      node: services.node.id,
      count: services.store.stats().ghosts,
      max: GHOSTS_MAX,
      items: items.sort(lastKeptFirst).slice(0, parsePageLimit(query.get("limit"))),
    };
    exchange.json(200, report);
    await exchange.taken();
  } finally {
    leave();
  }
}

export async function discardGhost(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  const { key, version } = await ghostDiscard(services, exchange);
  if (!(await services.store.discardGhost(key, versionOf(version, "invalid_body")))) {
    throw new ApiProblem("ghost_not_found");
  }
  services.log.info("ghost_discarded", { key, version });
  const left = services.store.stats().ghosts;
  exchange.json(200, { key, version, left } satisfies GhostDiscarded);
}

function versionOf(text: string, code: "invalid_query" | "invalid_body"): Version {
  const version = parseVersion(text);
  if (version === undefined) throw new ApiProblem(code, { detail: '"version" is one as in ETag.' });
  return version;
}

function itemOf({ key, sibling, kept }: Ghost): GhostItem {
  const { version } = sibling;
  const expiresAtMs = sibling.kind === "value" ? sibling.expiresAtMs : null;
  return {
    key,
    version: formatVersion(version),
    node: version.node,
    time: isoTime(hlcToMs(version.time)),
    contentType: sibling.kind === "value" ? sibling.contentType : null,
    size: sibling.kind === "value" ? sibling.bytes.length : 0,
    ...(expiresAtMs === null ? {} : { expiresAt: isoTime(expiresAtMs) }),
    keptAt: kept === undefined ? null : isoTime(kept.atMs),
    why: kept?.why ?? null,
  };
}

function itemWithValue(ghost: Ghost): GhostItem {
  const { sibling } = ghost;
  return sibling.kind === "value" ? { ...itemOf(ghost), value: base64(sibling.bytes) } : itemOf(ghost);
}

/** Of those kept at one time, in the order of their keys. */
function lastKeptFirst(a: GhostItem, b: GhostItem): number {
  const [keptA, keptB] = [a.keptAt ?? "", b.keptAt ?? ""];
  if (keptA !== keptB) return keptA < keptB ? 1 : -1;
  return compareKeys(a.key, b.key);
}
