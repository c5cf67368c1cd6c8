/** What becomes of a node's completeness, as lines of the log. */
import type { CompletenessEvent, NodeId } from "@hearsay/core";
import type { Log } from "../ports.ts";

export function logCompleteness(event: CompletenessEvent, log: Log, node: NodeId): void {
  if (event.kind === "complete") {
    // Deletions purged before may have come undone: nobody was left who knew of them.
    log.warn("complete_by_agreement", { node, floor: event.floor });
  } else if (event.kind === "incomplete") {
    log.warn("incomplete", { node, floor: event.floor, confirmed: event.completeFloor });
  }
}
