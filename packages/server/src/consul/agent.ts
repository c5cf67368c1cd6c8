/** What programs ask of an agent before they use its keys: who leads, who is there, who answers. */
import { createHash } from "node:crypto";
import { nodeName } from "@hearsay/core";
import { type MemberStatus, memberStatuses } from "@hearsay/node";
import { BUILD } from "../build.ts";
import { parseListen } from "../config/relations.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Services } from "../services.ts";
import { indexHeaders } from "./answers.ts";
import type { Indexes } from "./blocking.ts";
import { contactOf, knowsAll } from "./leadership.ts";

/** Consul's numbers for the states of a member. */
const STATUS = { alive: 1, suspect: 1, stopped: 3, dead: 4 } as const;

/** Every node takes writes; this one answers for the leader that does not exist, as soon as it knows all there is. */
export function sendLeader(services: Services, exchange: Exchange): void {
  exchange.json(200, knowsAll(services) ? ownStatus(services).address : "");
}

export function sendPeers(services: Services, exchange: Exchange): void {
  const live = memberStatuses(services.cluster.member).filter(({ state }) => STATUS[state] === 1);
  exchange.json(
    200,
    live.map(({ address }) => address),
  );
}

export function sendSelf(services: Services, exchange: Exchange): void {
  const { settings, node, store } = services;
  const { records } = store.stats();
  exchange.json(200, {
    Config: {
      Datacenter: settings.cluster,
      PrimaryDatacenter: settings.cluster,
      NodeName: nodeName(node.id),
      NodeID: uuidOf(node.id),
      Server: true,
      Revision: "",
      Version: BUILD,
    },
    Stats: { kv: { records: String(records) } },
    Member: memberOf(services, ownStatus(services)),
    Meta: {},
  });
}

export function sendMembers(services: Services, exchange: Exchange): void {
  exchange.json(
    200,
    memberStatuses(services.cluster.member).map((status) => memberOf(services, status)),
  );
}

export function sendNodes(services: Services, indexes: Indexes, exchange: Exchange): void {
  const nodes = memberStatuses(services.cluster.member).map(({ id, name, address, generation }) => {
    const { host } = parseListen(address);
    return {
      ID: uuidOf(id),
      Node: name,
      Address: host,
      Datacenter: services.settings.cluster,
      TaggedAddresses: { lan: host, wan: host },
      Meta: {},
      CreateIndex: 1,
      ModifyIndex: generation + 1,
    };
  });
  exchange.json(200, nodes, indexHeaders(indexes.of({ key: "", isPrefix: true }), contactOf(services)));
}

function memberOf({ settings }: Services, { id, name, address, build, state }: MemberStatus): unknown {
  const { host, port } = parseListen(address);
  return {
    Name: name,
    Addr: host,
    Port: port,
    Tags: { role: "consul", dc: settings.cluster, build, id: uuidOf(id) },
    Status: STATUS[state],
    ProtocolMin: 1,
    ProtocolMax: 5,
    ProtocolCur: 2,
    DelegateMin: 2,
    DelegateMax: 5,
    DelegateCur: 4,
  };
}

function ownStatus({ cluster, node }: Services): MemberStatus {
  const own = memberStatuses(cluster.member).find(({ id }) => id === node.id);
  if (own === undefined) throw new Error("a member is among its own members");
  return own;
}

/** Programs expect a node's id to look like this. */
function uuidOf(id: string): string {
  const digits = createHash("sha256").update(id).digest("hex");
  return [8, 12, 16, 20, 32].map((end, i, ends) => digits.slice(ends[i - 1] ?? 0, end)).join("-");
}
