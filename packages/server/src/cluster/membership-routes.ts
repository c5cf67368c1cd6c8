/** `POST /cluster/join`, `/leave` and `/forget`: who belongs to the cluster, by an operator's word. */
import {
  type ForgetReport,
  ForgetRequest,
  type JoinReport,
  JoinRequest,
  type LeaveReport,
  LeaveRequest,
} from "@hearsay/api";
import { nodeName } from "@hearsay/core";
import { PeerFault } from "@hearsay/node";
import type { Exchange } from "../http/exchange.ts";
import { jsonBodyReader } from "../http/json-body.ts";
import { ApiProblem } from "../http/problem.ts";
import type { Services } from "../services.ts";
import { memberNamed, throughIso } from "./naming.ts";

const joinRequest = jsonBodyReader(JoinRequest);
const leaveRequest = jsonBodyReader(LeaveRequest);
const forgetRequest = jsonBodyReader(ForgetRequest);

export async function postJoin(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  const { address } = await joinRequest(services, exchange);
  const { cluster } = services;
  await cluster.enrolment.join(address);
  const isMember = cluster.member.joiningState.kind === "member";
  const report: JoinReport = {
    node: cluster.member.id,
    state: isMember ? "member" : "joining",
    members: cluster.size,
  };
  services.log.info("joined_by_call", { address, state: report.state });
  exchange.json(200, report);
}

/** The process ends after it, because a retired id has nothing more to do. */
export async function postLeave(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  await leaveRequest(services, exchange);
  const { enrolment, member } = services.cluster;
  await enrolment.leave();
  services.log.info("left", { node: member.id });
  if (exchange.response.destroyed) return enrolment.finish();
  exchange.response.once("close", () => enrolment.finish());
  exchange.json(200, { node: member.id, left: true } satisfies LeaveReport, ["Connection", "close"]);
}

export async function postForget(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  const { node, confirm } = await forgetRequest(services, exchange);
  const { member } = services.cluster;
  // It would retire nobody, for what keeps it outside keeps it from writing too.
  if (member.joiningState.kind !== "member") services.cluster.admitWrite();
  const found = memberNamed(member, node);
  if (found.id === member.id || found.state === "alive" || found.state === "suspect") {
    throw new ApiProblem("member_alive", { detail: `${found.id} is ${found.state}.` });
  }
  const report: ForgetReport = {
    node: found.id,
    name: nodeName(found.id),
    completeThrough: throughIso(member.keeper.completeness.unitOf(found.id)?.completeThrough),
    heldThrough: throughIso(member.keeper.completeness.state.vector.get(found.id)),
  };
  if (confirm !== true) {
    throw new ApiProblem("confirmation_needed", { detail: whatMayBeLost(report), members: { ...report } });
  }
  try {
    await member.forget(found.id);
  } catch (error) {
    if (!(error instanceof PeerFault)) throw error;
    throw new ApiProblem("store_unavailable", {
      detail: `${found.id} is retired, but the disk has not taken it; it may be forgotten when this node restarts.`,
      outcome: "unknown",
    });
  }
  services.log.warn("forgotten", { ...report });
  exchange.json(200, report);
}

function whatMayBeLost({ node, heldThrough }: ForgetReport): string {
  const what =
    heldThrough === null
      ? "All it ever wrote or was given"
      : `What ${node} wrote or was given after ${heldThrough}`;
  return `${what} may be known to nobody else, and is lost if so: also what a member that has left wrote and gave to it. The id can never come back.`;
}
