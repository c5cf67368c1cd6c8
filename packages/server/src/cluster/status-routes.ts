/** What a node tells of the cluster from what it knows: `GET /cluster`, `/cluster/convergence`, `/cluster/safe-to-stop`. */
import type { ClusterMemberItem, ClusterStatus, ConvergenceReport, SafeToStopReport } from "@hearsay/api";
import { type HeldBack, nodeName } from "@hearsay/core";
import {
  type ClusterMember,
  type Convergence,
  convergence,
  type MemberStatus,
  memberStatuses,
  obstaclesToStopping,
  type StopObstacle,
} from "@hearsay/node";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { isoTime } from "../http/render.ts";
import type { Services } from "../services.ts";
import { ageMs, memberRef, throughIso } from "./naming.ts";

export function sendClusterStatus({ cluster, clock, settings }: Services, exchange: Exchange): void {
  const { member } = cluster;
  const statuses = memberStatuses(member);
  const { watermark } = member.keeper.completeness;
  const notWritable = member.notWritable()?.code ?? null;
  const status: ClusterStatus = {
    cluster: settings.cluster,
    node: member.id,
    watermark: throughIso(watermark),
    watermarkAgeMs: ageMs(watermark, clock.nowMs()),
    writable: notWritable === null,
    notWritable,
    totals: {
      members: statuses.length,
      live: statuses.filter(({ state }) => state === "alive" || state === "suspect").length,
      keys: Math.max(0, ...statuses.map(({ keys }) => keys ?? 0)),
      bytes: statuses.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    },
    members: statuses.map(memberItem),
  };
  exchange.json(200, status);
}

function memberItem(status: MemberStatus): ClusterMemberItem {
  const { id, name, state, address, zone, build, generation, clockOffset, lastExchange } = status;
  return {
    id,
    name,
    self: status.isSelf,
    state,
    address,
    zone,
    build,
    generation,
    phi: status.phi === undefined ? null : rounded(status.phi),
    keys: status.keys ?? null,
    bytes: status.bytes ?? null,
    notWritable: status.notWritable || null,
    clockOffsetMs: clockOffset === undefined ? null : rounded(clockOffset.offsetMs),
    clockErrorMs: clockOffset === undefined ? null : rounded(clockOffset.errorMs),
    completeThrough: throughIso(status.completeThrough),
    lastExchange:
      lastExchange === undefined
        ? null
        : {
            at: isoTime(lastExchange.atMs),
            equal: lastExchange.equal,
            keysSent: lastExchange.keysSent,
            keysReceived: lastExchange.keysReceived,
          },
  };
}

/** JSON has no infinity, which is what phi becomes after a long silence. */
function rounded(value: number): number {
  return Math.round(Math.min(value, 1e6) * 100) / 100;
}

/** @throws ApiProblem `retired`: what is no member any more knows nothing of the cluster */
export async function sendConvergence({ cluster, clock }: Services, exchange: Exchange): Promise<void> {
  const { member } = cluster;
  if (member.notWritable()?.code === "retired") throw new ApiProblem("retired");
  exchange.json(200, convergenceReport(member, await convergence(member), clock.nowMs()));
}

function convergenceReport(member: ClusterMember, found: Convergence, nowMs: number): ConvergenceReport {
  const facts = {
    watermark: throughIso(found.watermark),
    watermarkAgeMs: ageMs(found.watermark, nowMs),
    heldBackBy: found.heldBackBy.flatMap((held) => heldBackItem(member, held)),
    newsAgeMs: Math.round(found.newsAgeMs),
  };
  const { verdict } = found;
  switch (verdict.kind) {
    case "converged":
      return { verdict: "converged", ...facts };
    case "converging": {
      const keys = verdict.differing.flatMap((one) => one.keys ?? []);
      return {
        verdict: "converging",
        keys: keys.length === 0 ? null : Math.max(...keys),
        differing: verdict.differing.map((one) => ({ ...memberRef(one.member), keys: one.keys ?? null })),
        ...facts,
      };
    }
    case "partitioned":
      return {
        verdict: "partitioned",
        sides: {
          reachable: verdict.reachable.map(memberRef),
          unreachable: verdict.unreachable.map(memberRef),
        },
        ...facts,
      };
  }
}

function heldBackItem(member: ClusterMember, held: HeldBack): ConvergenceReport["heldBackBy"] {
  const { node, reason, completeThrough } = held;
  const state = member.membership.stateOf(node);
  // A retirement is settled a moment after it is adopted; until then the retired id still counts for claims.
  if (state === undefined || state === "retired") return [];
  return [{ node, name: nodeName(node), state, reason, completeThrough: throughIso(completeThrough) }];
}

export async function sendSafeToStop({ cluster }: Services, exchange: Exchange): Promise<void> {
  const obstacles = await obstaclesToStopping(cluster.member);
  const report: SafeToStopReport = {
    safe: obstacles.length === 0,
    reasons: obstacles.map((obstacle) => ({ code: obstacle.code, detail: detailOf(obstacle) })),
  };
  exchange.json(200, report);
}

function detailOf(obstacle: StopObstacle): string {
  switch (obstacle.code) {
    case "only_member":
      return "The cluster has no other member; while this one is down nothing can be read or written.";
    case "only_live_member":
      return `No other member is alive: ${obstacle.down.join(", ")}.`;
    case "writes_unconfirmed":
      return "No live member has shown in time that it holds everything this node does.";
    case "rumors_pending":
      return `Fresh writes are still on their way to others, ${obstacle.hot} of them hot.`;
    case "acks_pending":
      return `${obstacle.writers} writers wait here for other replicas.`;
  }
}
