/** What happened to the processes, what their logs say, and whether the nodes came together at the end. */
import type { FaultEvent, LogEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import type { Flipped } from "./flipped.ts";
import type { Violation } from "./violation.ts";

/** Log entries of level error, and the faults of the same node that explain them. */
const EXPLAINED: readonly { readonly pattern: RegExp; readonly kinds: readonly string[] }[] = [
  {
    pattern: /^(?:restarting|record_damaged|silent_loss_suspected)\b/,
    kinds: ["flip-bits", "old-copy", "disk-lost"],
  },
  // What a node says to do about a directory it cannot read (flipped.ts).
  {
    pattern:
      /^(?:Start with an empty directory|Restore a snapshot into a new|Nothing was changed\. hearsay reset)/,
    kinds: ["flip-bits"],
  },
  { pattern: /disk_full|the disk is full|Make room on the disk|ENOSPC|No space left/, kinds: ["disk-full"] },
];

export function* checkProcesses(history: History, flipped: Flipped): Generator<Violation> {
  const { processes, logs, faults, settled, verifications, endMs } = history;
  const before = new Map<string, string>();
  for (const process of processes) {
    const { event, node, expected, ending = "", atMs } = process;
    const wasReady = before.get(node) === "started";
    before.set(node, event);
    const isExcused = flipped.explain(process) || (!wasReady && isFull(faults, node, atMs));
    if (event === "ended" && !expected && !isExcused)
      yield { code: "crashed", node, atMs, detail: `${node} ended with ${ending}` };
    if (event === "not_back") yield { code: "not_back", node, atMs, detail: `${node}: ${ending}` };
  }
  for (const log of logs) {
    if (isExplained(log, faults) || flipped.explain(log)) continue;
    yield { code: "alarm", node: log.node, atMs: log.atMs, detail: `${log.node} logged ${log.text}` };
  }
  for (const { node, afterMs, detail } of settled) {
    if (afterMs === null) yield { code: "not_converged", node, atMs: endMs, detail: `${node}: ${detail}` };
  }
  for (const { node, sound, detail } of verifications) {
    if (!sound) yield { code: "damaged", node, atMs: endMs, detail: `${node}: ${detail}` };
  }
}

/** Then a node does not start, and says so; one that runs goes on. */
function isFull(faults: readonly FaultEvent[], name: string, atMs: number): boolean {
  return faults.some(
    (fault) =>
      fault.kind === "disk-full" && fault.nodes.includes(name) && fault.atMs <= atMs && atMs <= fault.endMs,
  );
}

function isExplained({ text, node, atMs }: LogEvent, faults: readonly FaultEvent[]): boolean {
  return EXPLAINED.some(
    ({ pattern, kinds }) =>
      pattern.test(text) &&
      faults.some((fault) => kinds.includes(fault.kind) && fault.nodes.includes(node) && fault.atMs <= atMs),
  );
}
