/** The paths about the node itself and its data as a whole. */
import {
  GhostDiscard,
  GhostDiscarded,
  GhostQuery,
  GhostReport,
  MEDIA_TYPES,
  Readiness,
  ReadinessQuery,
  RestoreQuery,
  RestoreReport,
  TombstoneQuery,
  TombstoneReport,
  Type,
  VerifyLine,
  VerifyQuery,
  VerifyRepairQuery,
} from "@hearsay/api";
import { discardGhost, listGhosts } from "../routes/ghosts.ts";
import { livez, readyz } from "../routes/health.ts";
import { sendMetrics } from "../routes/metrics.ts";
import { RestoreRoute } from "../routes/restore.ts";
import { sendSnapshot } from "../routes/snapshot.ts";
import { listTombstones } from "../routes/tombstones.ts";
import { getVerify, postVerify } from "../routes/verify.ts";
import type { Services } from "../services.ts";
import { Bytes, content, problems, type RouteDescription } from "./route-description.ts";

export function dataRoutes(services: Services): RouteDescription[] {
  const restore = new RestoreRoute(services);
  return [
    {
      method: "GET",
      url: "/snapshot",
      operation: "snapshot",
      schema: {
        summary: "A consistent stream of all records, with a checksum trailer",
        tags: ["data"],
        response: { 200: content(MEDIA_TYPES.snapshot, Bytes, "The snapshot"), ...problems },
      },
      handle: (exchange) => sendSnapshot(services, exchange),
    },
    {
      method: "POST",
      url: "/restore",
      operation: "restore",
      schema: {
        summary: "Puts a snapshot's records back; checked whole before anything is applied",
        tags: ["data"],
        querystring: RestoreQuery,
        body: { content: { [MEDIA_TYPES.snapshot]: { schema: Bytes } } },
        response: { 200: content(MEDIA_TYPES.json, RestoreReport), ...problems },
      },
      handle: (exchange) => restore.handle(exchange),
    },
    {
      method: "GET",
      url: "/verify",
      operation: "verify",
      schema: {
        summary:
          "Whether this node's records, index and fingerprints agree; progress as lines, the report last",
        tags: ["data"],
        querystring: VerifyQuery,
        response: { 200: content(MEDIA_TYPES.ndjson, VerifyLine), ...problems },
      },
      handle: (exchange) => getVerify(services, exchange),
    },
    {
      method: "POST",
      url: "/verify",
      operation: "verify",
      schema: {
        summary: "The same; with repair=true damaged records are fetched from the others",
        tags: ["data"],
        querystring: VerifyRepairQuery,
        response: { 200: content(MEDIA_TYPES.ndjson, VerifyLine), ...problems },
      },
      handle: (exchange) => postVerify(services, exchange),
    },
    {
      method: "GET",
      url: "/cluster/tombstones",
      operation: "tombstones",
      schema: {
        summary: "Deleted keys whose records are still kept, and which member holds their removal back",
        tags: ["cluster"],
        querystring: TombstoneQuery,
        response: { 200: content(MEDIA_TYPES.json, TombstoneReport), ...problems },
      },
      handle: (exchange) => listTombstones(services, exchange),
    },
    ...ghostRoutes(services),
  ];
}

function ghostRoutes(services: Services): RouteDescription[] {
  return [
    {
      method: "GET",
      url: "/cluster/ghosts",
      operation: "ghosts",
      schema: {
        summary:
          "Versions that were deleted, came back and are kept aside on this node; with key and version, the value",
        tags: ["cluster"],
        querystring: GhostQuery,
        response: { 200: content(MEDIA_TYPES.json, GhostReport), ...problems },
      },
      handle: (exchange) => listGhosts(services, exchange),
    },
    {
      method: "POST",
      url: "/cluster/ghosts/discard",
      operation: "ghosts",
      schema: {
        summary: "Forgets one of them for good",
        tags: ["cluster"],
        body: { content: { [MEDIA_TYPES.json]: { schema: GhostDiscard } } },
        response: { 200: content(MEDIA_TYPES.json, GhostDiscarded), ...problems },
      },
      handle: (exchange) => discardGhost(services, exchange),
    },
  ];
}

export function nodeRoutes(services: Services): RouteDescription[] {
  const readiness = content(MEDIA_TYPES.json, Readiness);
  const routes: RouteDescription[] = [
    {
      method: "GET",
      url: "/livez",
      operation: "health",
      schema: { summary: "The process runs", tags: ["node"], response: { 200: readiness } },
      handle: livez,
    },
    {
      method: "GET",
      url: "/readyz",
      operation: "health",
      schema: {
        summary: "The node takes requests; ?verbose lists its checks",
        tags: ["node"],
        querystring: ReadinessQuery,
        response: { 200: readiness, 503: readiness },
      },
      handle: (exchange) => readyz(services, exchange),
    },
    {
      method: "GET",
      url: "/metrics",
      operation: "metrics",
      schema: {
        summary: "Metrics in the text format of Prometheus",
        tags: ["node"],
        response: { 200: content("text/plain", Type.String({ title: "Metrics" })) },
      },
      handle: (exchange) => sendMetrics(services, exchange),
    },
  ];
  // Monitors and balancers ask without wanting the body.
  return routes.flatMap((route) => [route, { ...route, method: "HEAD" }]);
}
