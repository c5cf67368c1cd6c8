/** Addresses that lead to several nodes in turn, as a load balancer's does, for commands that put together what one node says. */
import { HEADERS } from "@hearsay/api";
import type { Platform } from "@hearsay/client";
import { CliError, EXIT } from "./failure.ts";

/** Of three nodes that are drawn by chance, one is missed so often once in two million times. */
const TRIES = 36;

/**
 * A fetch with all answers from the node that first did what it was asked. Where another answers it asks again, so it is for reads alone.
 * @param fail is told that the node was not met again; the answer then rejects
 */
export function fromOneNode(ask: Platform["fetch"], fail: (error: CliError) => void): Platform["fetch"] {
  let first: string | undefined;
  return async (url, init) => {
    // A balancer of connections leads one that is kept to the same node every time.
    const anew = { ...init, headers: { ...init.headers, Connection: "close" } };
    let other = "";
    for (let i = 0; i < TRIES; i++) {
      const answer = await ask(url, i === 0 ? init : anew);
      const node = answer.headers.get(HEADERS.node);
      // One without is no node's, but that of something in between; and a refusal may lead the client to the next endpoint.
      if (node === null || (first === undefined && !answer.ok)) return answer;
      first ??= node;
      if (node === first) return answer;
      other = node;
      await answer.body?.cancel();
    }
    const error = severalNodes(first ?? "", other);
    fail(error);
    throw error;
  };
}

function severalNodes(first: string, other: string): CliError {
  return new CliError(`${first} answered first, and ${other} after it: this has to be asked of one node`, {
    code: "several_nodes",
    exit: EXIT.error,
    next: "Name that node's own address with --endpoint; hearsay members lists the addresses.",
  });
}
