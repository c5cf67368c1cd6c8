import type { ClusterStatus, ConvergenceReport } from "@hearsay/api";
import type { Session } from "./session.ts";

/** What one node says of its cluster. */
export interface ClusterLook {
  readonly status: ClusterStatus;
  readonly convergence: ConvergenceReport;
}

export function lookAtCluster({ ofOneNode }: Session): Promise<ClusterLook> {
  return ofOneNode(async ({ client, signal }) => {
    const status = await client.cluster.status({ signal });
    return { status, convergence: await client.cluster.convergence({ signal }) };
  });
}
