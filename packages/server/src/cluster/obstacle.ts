import type { Obstacle } from "@hearsay/node";

/** Why what a node holds may not be brought into a cluster, as a sentence. */
export const OBSTACLES: { readonly [Reason in Obstacle]: string } = {
  too_old:
    "Some of it is older than what that cluster remembers of deletions, and would be taken for deleted.",
  of_others:
    "Some of it was written by nodes that were never members here, so what was deleted here may still be held there.",
};
