/** Every path of the API with its schemas. OpenAPI is made from this list; so are the routes. */
import {
  BatchQuery,
  BatchRequest,
  BatchResult,
  ConflictPage,
  DeleteQuery,
  HEADERS,
  HistoryList,
  ListPage,
  ListQuery,
  MEDIA_TYPES,
  type Optional,
  PageQuery,
  ReadQuery,
  SiblingList,
  Type,
  WriteQuery,
  WriteResult,
} from "@hearsay/api";
import { clusterRoutes } from "../cluster/cluster-routes.ts";
import { consulRoutes } from "../consul/routes.ts";
import { servePeer } from "../peer/routes.ts";
import { PEER_PATH } from "../peer/transport.ts";
import { postBatch } from "../routes/batch.ts";
import { listConflicts } from "../routes/conflicts.ts";
import { listKeys } from "../routes/list.ts";
import { readKey } from "../routes/read.ts";
import { deleteKey, putKey } from "../routes/write.ts";
import type { Services } from "../services.ts";
import { watchRoute } from "../watch/watch-route.ts";
import { dataRoutes, nodeRoutes } from "./node-routes.ts";
import { Bytes, content, problems, type RouteDescription } from "./route-description.ts";
import { KEY_ROUTE } from "./target.ts";

const KeyParams = Type.Object({
  key: Type.String({
    description: "Percent-encoded; slashes as they are. Keys that URL clients rewrite: /kv?key=",
  }),
});
const header = (description: string): Optional<string> => Type.Optional(Type.String({ description }));
const conditions = {
  "If-Match": header("Entity tags, or *"),
  "If-None-Match": header("Entity tags, or *"),
};
const ReadHeaders = Type.Object({
  ...conditions,
  "Hearsay-After": header("A version: answer only once this node holds it, waiting up to timeout"),
});
const many = {
  "Hearsay-After": header(
    "Versions between commas: answer only once this node holds all that their nodes wrote up to them",
  ),
};
const ManyHeaders = Type.Object(many);
const WriteHeaders = Type.Object({
  ...conditions,
  "Hearsay-Context": header(
    "Of an earlier read: the write replaces just what that saw. Empty: it saw nothing",
  ),
});

const told = (description: string): { type: string; description: string } => ({
  type: "string",
  description,
});
const WRITE_ANSWER = {
  ETag: told("The version, quoted"),
  [HEADERS.node]: told("The id of the node that answered"),
  [HEADERS.completeThrough]: told("ISO 8601: the node holds every write made up to then"),
};
const READ_ANSWER = {
  ...WRITE_ANSWER,
  [HEADERS.context]: told("What the reader now knows of the key; opaque"),
  "Last-Modified": told("When the winner was written, to the second"),
  [HEADERS.conflicts]: told("How many siblings stand beside the winner; absent when none"),
  [HEADERS.expires]: told("ISO 8601: when the value expires; absent when never"),
};

const BatchHeaders = Type.Object({
  ...many,
  Prefer: header("return=minimal: 204 instead of the results, where no operation is a get"),
});

/** @param openApi the description of all of them, once they are routed */
export function routeDescriptions(services: Services, openApi: () => unknown): RouteDescription[] {
  return [
    describeRoute(openApi),

    ...keyRoutes(services),
    ...collectionRoutes(services),
    ...dataRoutes(services),
    ...nodeRoutes(services),
    ...clusterRoutes(services),
    ...consulRoutes(services),
    {
      method: "POST",
      url: `${PEER_PATH}*`,
      operation: "peer",
      schema: {
        summary: "A message from another node",
        tags: ["peers"],
        body: { content: { [MEDIA_TYPES.msgpack]: { schema: Bytes } } },
        response: { 200: content(MEDIA_TYPES.msgpack, Bytes, "The reply"), ...problems },
      },
      handle: (exchange) => servePeer(services.peers, exchange),
    },
  ];
}

function describeRoute(openApi: () => unknown): RouteDescription {
  let text: string | undefined;
  return {
    method: "GET",
    url: "/openapi.json",
    operation: "describe",
    schema: {
      summary: "This description, as OpenAPI",
      tags: ["node"],
      response: { 200: content(MEDIA_TYPES.json, Type.Object({}, { title: "OpenAPI" })) },
    },
    handle: (exchange) => {
      text ??= JSON.stringify(openApi());
      exchange.jsonText(200, text);
    },
  };
}

function written(description: string): unknown {
  return { ...content(MEDIA_TYPES.json, WriteResult, description), headers: WRITE_ANSWER };
}

function keyRoutes(services: Services): RouteDescription[] {
  const read: Omit<RouteDescription, "method"> = {
    url: KEY_ROUTE,
    operation: "get",
    schema: {
      summary: "The winner's bytes; with siblings=all or history=true its versions as JSON",
      tags: ["keys"],
      params: KeyParams,
      querystring: ReadQuery,
      headers: ReadHeaders,
      response: {
        200: {
          description: "The value, or a list of versions",
          headers: READ_ANSWER,
          content: {
            "*/*": { schema: Bytes },
            [MEDIA_TYPES.json]: { schema: Type.Union([SiblingList, HistoryList]) },
          },
        },
        304: { description: "Not modified", type: "null" },
        ...problems,
      },
    },
    handle: (exchange) => readKey(services, exchange),
  };
  return [
    { ...read, method: "GET" },
    { ...read, method: "HEAD" },
    {
      method: "PUT",
      url: KEY_ROUTE,
      operation: "put",
      schema: {
        summary: "Stores the body and its Content-Type",
        tags: ["keys"],
        params: KeyParams,
        querystring: WriteQuery,
        headers: WriteHeaders,
        body: { content: { "*/*": { schema: Bytes } } },
        response: {
          200: written("Replaced"),
          201: written("Created"),
          ...problems,
        },
      },
      handle: (exchange) => putKey(services, exchange),
    },
    {
      method: "DELETE",
      url: KEY_ROUTE,
      operation: "delete",
      schema: {
        summary: "Writes a tombstone, also when the key was absent here",
        tags: ["keys"],
        params: KeyParams,
        querystring: DeleteQuery,
        headers: WriteHeaders,
        response: { 200: written("Deleted"), ...problems },
      },
      handle: (exchange) => deleteKey(services, exchange),
    },
  ];
}

function collectionRoutes(services: Services): RouteDescription[] {
  return [
    {
      method: "GET",
      url: "/kv",
      operation: "list",
      schema: {
        summary: "Keys in byte order, a page at a time; as lines with Accept: application/x-ndjson",
        tags: ["keys"],
        querystring: ListQuery,
        headers: ManyHeaders,
        response: { 200: content(MEDIA_TYPES.json, ListPage), ...problems },
      },
      handle: (exchange) => listKeys(services, exchange),
    },
    {
      method: "POST",
      url: "/kv",
      operation: "batch",
      schema: {
        summary: "Several operations, applied atomically on this node",
        tags: ["keys"],
        querystring: BatchQuery,
        headers: BatchHeaders,
        body: {
          content: {
            [MEDIA_TYPES.json]: { schema: BatchRequest },
            [MEDIA_TYPES.msgpack]: { schema: BatchRequest },
          },
        },
        response: {
          200: content(MEDIA_TYPES.json, BatchResult),
          204: { description: "Applied, and that was all there was to know" },
          ...problems,
        },
      },
      handle: (exchange) => postBatch(services, exchange),
    },
    {
      method: "GET",
      url: "/conflicts",
      operation: "conflicts",
      schema: {
        summary: "Keys with more than one sibling",
        tags: ["keys"],
        querystring: PageQuery,
        headers: ManyHeaders,
        response: { 200: content(MEDIA_TYPES.json, ConflictPage), ...problems },
      },
      handle: (exchange) => listConflicts(services, exchange),
    },
    watchRoute(services),
  ];
}
