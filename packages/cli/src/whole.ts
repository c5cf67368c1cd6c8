import { HearsayError } from "@hearsay/client";
import type { Session } from "./session.ts";

/** Says of what has been taken from a node that it is not all there is, where the node does not know that it has all. */
export async function noteUnlessWhole({ client, io, signal }: Session): Promise<void> {
  try {
    const { checks = [] } = await client.readiness({ signal });
    const open = checks.find(({ name, ok }) => (name === "joining" || name === "complete") && !ok);
    if (open === undefined) return;
    const text = `warning: the node has not caught up with its cluster, and what it lacks is missing here (${open.name}: ${open.detail})`;
    await io.err.write(`${text}\n`);
  } catch (error) {
    // What was asked for has been done.
    if (!(error instanceof HearsayError)) throw error;
  }
}
