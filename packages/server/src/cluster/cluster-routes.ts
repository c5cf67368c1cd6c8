/** The paths under `/cluster` with their schemas, but for `/cluster/tombstones`. */
import {
  ClusterStatus,
  ConvergenceReport,
  DiffQuery,
  DiffReport,
  ForgetReport,
  ForgetRequest,
  JoinReport,
  JoinRequest,
  LeaveReport,
  LeaveRequest,
  MEDIA_TYPES,
  ReceiptQuery,
  ReceiptReport,
  RepairLine,
  RepairRequest,
  SafeToStopReport,
  type Schema,
} from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { refuseParameters } from "../http/query.ts";
import { content, problems, type RouteDescription } from "../http/route-description.ts";
import type { Services } from "../services.ts";
import { postForget, postJoin, postLeave } from "./membership-routes.ts";
import { ReceiptRoute } from "./receipt-route.ts";
import { postRepair, sendDiff } from "./repair-routes.ts";
import { sendClusterStatus, sendConvergence, sendSafeToStop } from "./status-routes.ts";

interface Reading {
  readonly url: string;
  readonly summary: string;
  readonly querystring?: Schema<unknown>;
  readonly answer: Schema<unknown>;
  readonly handle: (exchange: Exchange) => Promise<void> | void;
}

interface Changing {
  readonly url: string;
  readonly summary: string;
  readonly body: Schema<unknown>;
  readonly answer: unknown;
  readonly handle: (exchange: Exchange) => Promise<void>;
}

export function clusterRoutes(services: Services): RouteDescription[] {
  return [...readingRoutes(services).map(reading), ...changingRoutes(services).map(changing)];
}

function reading({ url, summary, querystring, answer, handle }: Reading): RouteDescription {
  const bare = (exchange: Exchange): Promise<void> | void => {
    refuseParameters(exchange.target);
    return handle(exchange);
  };
  const query = querystring === undefined ? {} : { querystring };
  const response = { 200: content(MEDIA_TYPES.json, answer), ...problems };
  return {
    method: "GET",
    url,
    operation: "cluster",
    schema: { summary, tags: ["cluster"], ...query, response },
    handle: querystring === undefined ? bare : handle,
  };
}

function changing({ url, summary, body, answer, handle }: Changing): RouteDescription {
  return {
    method: "POST",
    url,
    operation: "cluster",
    schema: {
      summary,
      tags: ["cluster"],
      body: { content: { [MEDIA_TYPES.json]: { schema: body } } },
      response: { 200: answer, ...problems },
    },
    handle,
  };
}

function readingRoutes(services: Services): Reading[] {
  const receipts = new ReceiptRoute(services);
  return [
    {
      url: "/cluster",
      summary: "All members, the totals and the watermark, as this node knows them",
      answer: ClusterStatus,
      handle: (exchange) => sendClusterStatus(services, exchange),
    },
    {
      url: "/cluster/convergence",
      summary: "Whether all members hold the same, and if not, who differs or is cut off",
      answer: ConvergenceReport,
      handle: (exchange) => sendConvergence(services, exchange),
    },
    {
      url: "/cluster/receipt",
      summary: "Which members hold a version; wait=all answers when all do, or when the timeout is over",
      querystring: ReceiptQuery,
      answer: ReceiptReport,
      handle: (exchange) => receipts.handle(exchange),
    },
    {
      url: "/cluster/diff",
      summary: "The keys that differ with a member; repairs nothing",
      querystring: DiffQuery,
      answer: DiffReport,
      handle: (exchange) => sendDiff(services, exchange),
    },
    {
      url: "/cluster/safe-to-stop",
      summary: "Whether this node may stop for good without a write being lost; asks another member",
      answer: SafeToStopReport,
      handle: (exchange) => sendSafeToStop(services, exchange),
    },
  ];
}

function changingRoutes(services: Services): Changing[] {
  return [
    {
      url: "/cluster/repair",
      summary:
        "Exchanges now with one member or all live ones; answers with lines, the last of which is the end",
      body: RepairRequest,
      answer: content(MEDIA_TYPES.ndjson, RepairLine),
      handle: (exchange) => postRepair(services, exchange),
    },
    {
      url: "/cluster/join",
      summary: "Joins the cluster of the node at an address; this node must have been alone",
      body: JoinRequest,
      answer: content(MEDIA_TYPES.json, JoinReport),
      handle: (exchange) => postJoin(services, exchange),
    },
    {
      url: "/cluster/leave",
      summary: "Hands over, retires this node's id for good, and ends the process",
      body: LeaveRequest,
      answer: content(MEDIA_TYPES.json, LeaveReport),
      handle: (exchange) => postLeave(services, exchange),
    },
    {
      url: "/cluster/forget",
      summary: "Retires the id of a member that is down, for good; without confirm it says what may be lost",
      body: ForgetRequest,
      answer: content(MEDIA_TYPES.json, ForgetReport),
      handle: (exchange) => postForget(services, exchange),
    },
  ];
}
