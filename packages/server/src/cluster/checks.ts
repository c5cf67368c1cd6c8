/**
 * What `/readyz?verbose` says of this node as a member. Reads go on whatever a peer does or says, so only one check is
 * needed for being ready, and it is final: a node whose id is retired will never hear of a write again.
 */
import type { ClusterMember, NotWritable } from "@hearsay/node";
import type { Check } from "../services.ts";
import { throughIso } from "./naming.ts";
import { OBSTACLES } from "./obstacle.ts";

type LetIn = Pick<ClusterMember["keeper"], "letInAt" | "boundTo">;

/** @param seeds where the node was told to join at its start */
export function clusterChecks(member: ClusterMember | undefined, seeds: readonly string[]): readonly Check[] {
  if (member === undefined) return [];
  const fault = member.notWritable();
  const { complete, floor } = member.keeper.completeness;
  return [
    {
      name: "retired",
      ok: fault?.code !== "retired",
      needed: true,
      detail:
        fault?.code === "retired"
          ? "the id is retired; hearsay reset brings the node back as a new one"
          : "no",
    },
    joiningCheck(fault, seeds, member.keeper),
    {
      name: "clock",
      ok: fault?.code !== "clock_skew",
      needed: false,
      detail: fault?.code === "clock_skew" ? "ahead of most members; writes are refused" : "as the others'",
    },
    {
      name: "complete",
      ok: complete,
      needed: false,
      detail: complete ? "yes" : `catching up on what the others hold through ${throughIso(floor) ?? "now"}`,
    },
    otherClusterCheck(member.membership.otherClusterAt),
    {
      name: "silent loss",
      ok: member.alarms === 0,
      needed: false,
      detail: `${member.alarms} versions of which this node or a peer has lost one unnoticed`,
    },
  ];
}

function otherClusterCheck(at: string | undefined): Check {
  const check = { name: "other cluster", needed: false };
  if (at === undefined) return { ...check, ok: true, detail: "none of this name was met" };
  const next =
    "Of the two, the nodes of one have to join the other (docs/cluster.md, Two clusters of one name)";
  return { ...check, ok: false, detail: `a node of another one of this name is at ${at}. ${next}` };
}

function joiningDetail(
  fault: Extract<NotWritable, { code: "joining" }>,
  seeds: readonly string[],
  { letInAt, boundTo }: LetIn,
): string {
  const through = (seeds.length > 0 ? seeds : letInAt).join(", ") || "the addresses it knows";
  const bound =
    boundTo.length === 0
      ? ""
      : `, let in at ${letInAt.join(", ")} by ${boundTo.join(", ")} and into no other cluster`;
  const how = `recorded by ${fault.recordedBy} of ${fault.needed} needed, joining through ${through}${bound}`;
  const gone =
    "If members are gone for good, its own former id too: hearsay forget ID, on a node that takes writes";
  return `${how}; writes are refused. ${gone}; if none does: hearsay reset --alone`;
}

function joiningCheck(fault: NotWritable | undefined, seeds: readonly string[], letIn: LetIn): Check {
  const check = { name: "joining", needed: false };
  switch (fault?.code) {
    case "joining":
      return { ...check, ok: false, detail: joiningDetail(fault, seeds, letIn) };
    case "limits_differ":
      return { ...check, ok: false, detail: `${fault.knobs.join(", ")} differ from ${fault.by}` };
    case "data_too_old":
      return { ...check, ok: false, detail: `not let in by ${fault.by}. ${OBSTACLES[fault.reason]}` };
    case "name_taken":
      return { ...check, ok: false, detail: `the name belongs to the node at ${fault.by}` };
    case "leaving":
      return { ...check, ok: false, detail: "leaving" };
    default:
      return { ...check, ok: true, detail: "no" };
  }
}
