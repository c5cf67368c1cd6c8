/** What a node shows of a key, compared with what was seen to be committed there. */
import { isLive, type KeyRecord } from "@hearsay/core";
import type { Violation } from "../invariants/invariant.ts";
import { describeRecord, isSame, isShownAt } from "../invariants/record-checks.ts";
import type { ReplicaWatch } from "./replica-watch.ts";

export function checkShown(
  watch: ReplicaWatch,
  key: string,
  shown: KeyRecord | undefined,
  nowMs: number,
): Violation | undefined {
  const { name } = watch.machine;
  for (const sibling of shown?.siblings ?? []) {
    if (isLive(sibling, nowMs) === isShownAt(sibling, nowMs)) continue;
    return { invariant: "reading", detail: `${name} takes what ${key} holds for what it is not at ${nowMs}` };
  }
  if (watch.mayDiffer(key)) return undefined;
  const held = watch.records.get(key);
  if (shown === held || isSame(shown, held)) return undefined;
  const detail = `${name} has committed ${describe(held)} for ${key}, and shows ${describe(shown)}`;
  return { invariant: "reading", detail };
}

function describe(record: KeyRecord | undefined): string {
  return record === undefined ? "nothing" : `what was written ${describeRecord(record)}`;
}
