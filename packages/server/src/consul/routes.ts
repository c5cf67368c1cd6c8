/** The paths of Consul's API, as far as programs need them for its keys. docs/consul.md says what differs. */
import { MEDIA_TYPES, type Optional, Type } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { Bytes, content, type RouteDescription } from "../http/route-description.ts";
import { CONSUL_KEY_ROUTE } from "../http/target.ts";
import type { Services } from "../services.ts";
import { sendLeader, sendMembers, sendNodes, sendPeers, sendSelf } from "./agent.ts";
import { inConsulsManner } from "./answers.ts";
import { Indexes } from "./blocking.ts";
import { readConsulKey } from "./read.ts";
import { runConsulTxn } from "./txn.ts";
import { deleteConsulKey, putConsulKey } from "./write.ts";

const Text = Type.String();
const optional = (description: string): Optional<string> => Type.Optional(Type.String({ description }));
const KeyParams = Type.Object({ key: Type.String({ description: "Percent-encoded; slashes as they are" }) });
const ReadParameters = Type.Object({
  raw: optional("The value's bytes"),
  recurse: optional("All keys that begin with this one"),
  keys: optional("Only the keys that begin with this one"),
  separator: optional("With keys: only up to the first one"),
  index: optional("An X-Consul-Index: wait until something is newer"),
  wait: optional("How long at most, 5m without"),
});
const Cas = optional("Only if the ModifyIndex is this; 0: only if there is no value");
const failures = {
  "4xx": content("text/plain", Text, "Why not"),
  "5xx": content("text/plain", Text, "Why not"),
};

export function consulRoutes(services: Services): RouteDescription[] {
  const indexes = new Indexes(services.watch);
  return [
    ...keyRoutes(services, indexes),
    route("PUT", "/v1/txn", "Several operations on keys, all or none", (exchange) =>
      runConsulTxn(services, exchange),
    ),
    route("GET", "/v1/status/leader", "This node's address: every node takes writes", (exchange) =>
      sendLeader(services, exchange),
    ),
    route("GET", "/v1/status/peers", "The addresses of all live members", (exchange) =>
      sendPeers(services, exchange),
    ),
    route("GET", "/v1/agent/self", "This node", (exchange) => sendSelf(services, exchange)),
    route("GET", "/v1/agent/members", "All members", (exchange) => sendMembers(services, exchange)),
    route("GET", "/v1/catalog/nodes", "All members, as nodes", (exchange) =>
      sendNodes(services, indexes, exchange),
    ),
  ];
}

function route(
  method: "GET" | "PUT",
  url: string,
  summary: string,
  answer: (exchange: Exchange) => Promise<void> | void,
): RouteDescription {
  return {
    method,
    url,
    operation: "consul",
    schema: {
      summary,
      tags: ["consul"],
      response: { 200: content(MEDIA_TYPES.json, Type.Unknown(), "As Consul's API has it"), ...failures },
    },
    handle: (exchange) => inConsulsManner(exchange, () => answer(exchange)),
  };
}

function keyRoutes(services: Services, indexes: Indexes): RouteDescription[] {
  const success = { 200: content(MEDIA_TYPES.json, Type.Boolean(), "Whether it was done"), ...failures };
  const common = { url: CONSUL_KEY_ROUTE, operation: "consul" } as const;
  return [
    {
      ...common,
      method: "GET",
      schema: {
        summary: "A key, or all that begin with it; with index a blocking query",
        tags: ["consul"],
        params: KeyParams,
        querystring: ReadParameters,
        response: {
          200: content(MEDIA_TYPES.json, Type.Array(Type.Unknown()), "As Consul's API has it"),
          ...failures,
        },
      },
      handle: (exchange) => inConsulsManner(exchange, () => readConsulKey(services, indexes, exchange)),
    },
    {
      ...common,
      method: "PUT",
      schema: {
        summary: "Stores the body",
        tags: ["consul"],
        params: KeyParams,
        querystring: Type.Object({ flags: optional("A number of 64 bits kept beside the value"), cas: Cas }),
        body: { content: { "*/*": { schema: Bytes } } },
        response: success,
      },
      handle: (exchange) => inConsulsManner(exchange, () => putConsulKey(services, exchange)),
    },
    {
      ...common,
      method: "DELETE",
      schema: {
        summary: "Deletes a key, or with recurse all that begin with it",
        tags: ["consul"],
        params: KeyParams,
        querystring: Type.Object({ recurse: optional("All that begin with it"), cas: Cas }),
        response: success,
      },
      handle: (exchange) => inConsulsManner(exchange, () => deleteConsulKey(services, exchange)),
    },
  ];
}
