/** What the membership machine tells of, as lines of the log. */
import type { NodeId, SwimEvent } from "@hearsay/core";
import type { Log } from "../ports.ts";
import type { RepeatLog } from "../repeat-log.ts";

export interface MembershipLogPorts {
  readonly log: Log;
  readonly troubles: RepeatLog;
}

/** What others can cause over and over is written at a limited rate. */
export function logMembership(
  event: SwimEvent,
  { log, troubles }: MembershipLogPorts,
  { self, isLeaving }: { readonly self: NodeId; readonly isLeaving: boolean },
): void {
  switch (event.kind) {
    case "member-changed": {
      const { id, state, address } = event.member;
      if (state !== event.previous?.state) log.info("member_state", { member: id, state, address });
      break;
    }
    case "member-retired":
      log.info("member_state", { member: event.id, state: "retired", address: "" });
      break;
    case "self-retired":
      log[isLeaving ? "info" : "error"]("self_retired", { node: self });
      break;
    case "announced":
      if (event.state === "retired" && event.confirmed === 0)
        log.warn("leaving_unheard", { told: event.told });
      break;
    case "joined":
      log.info("joined", { by: event.by.address });
      break;
    case "refuted":
      log.warn("refuted", { believed: event.believed.state, generation: event.generation });
      break;
    case "self-declared-dead":
      log.warn("declared_dead", { generation: event.generation });
      break;
    case "name-clash": {
      const { first, second } = event;
      log.error("name_clash", { first: first.address, second: second.address, id: second.id });
      break;
    }
    case "other-cluster":
      troubles.note("other_cluster", { code: "other_cluster", at: event.at.address }, event.at.address);
      break;
    case "refused": {
      const { by, code, holder } = event;
      troubles.note("peer_refused", { code, by: by.address, holder: holder?.address ?? null }, by.address);
      break;
    }
    case "table-full":
      troubles.note("member_table_full", { code: "table_full", member: event.id });
      break;
    case "generation-exhausted":
      log.error("generation_exhausted", { claimed: event.claimed });
  }
}
