import type { ScanChunk, ScanRange } from "@hearsay/node";
import { ApiProblem } from "../http/problem.ts";
import type { ServedStore } from "../services.ts";

/**
 * The next records for an answer that says what there is. A damaged one is missing among them, and whoever takes the answer for
 * whole would take its key for deleted; so there is none. The node starts again for the damage, and is repaired.
 * @throws ApiProblem `record_damaged`
 */
export async function scanWhole(store: Pick<ServedStore, "scan">, range: ScanRange): Promise<ScanChunk> {
  const chunk = await store.scan(range);
  const [key] = chunk.damaged;
  if (key === undefined) return chunk;
  throw new ApiProblem("record_damaged", {
    detail: `${JSON.stringify(key)} is damaged, and would be missing. Ask again in a moment, or another node.`,
  });
}
