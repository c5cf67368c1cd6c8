import { resolve } from "node:path";
import { type RunningServer, type Settings, startServer } from "@hearsay/server";
import { requireOwn } from "./directory-owner.ts";
import { invocation } from "./invocation.ts";
import type { Io } from "./io.ts";
import { loadNodeConfig } from "./node-config.ts";
import type { NodeFlags } from "./node-flags.ts";
import { Parent } from "./parent.ts";

/**
 * Runs a node until the process is asked to end, or the node has left its cluster.
 * @param options.withParent tells the parent over IPC when the node is ready, and ends when the parent does
 */
export async function serve(
  io: Io,
  flags: NodeFlags,
  options: { readonly withParent: boolean },
): Promise<void> {
  const { settings } = loadNodeConfig(flags, io.env);
  requireOwn(resolve(settings.data));
  const parent = options.withParent ? new Parent(settings["shutdown.graceMs"]) : undefined;
  try {
    await run(io, settings, parent);
  } finally {
    // One that has failed to start ends too.
    parent?.leave();
  }
}

async function run(io: Io, settings: Settings, parent: Parent | undefined): Promise<void> {
  const hungUp = hangUp();
  // It was asked to end while it was still loading.
  if (io.stopped.aborted) return;
  const server = await startServer(settings);
  try {
    if (parent === undefined) await io.err.write(welcome(server, resolve(settings.data)));
    else parent.tell({ url: server.address, id: server.nodeId });
    const stopped = AbortSignal.any([io.stopped, hungUp, ...(parent === undefined ? [] : [parent.gone])]);
    await Promise.race([untilAborted(stopped), server.left]);
  } finally {
    await server.close();
  }
}

/** Aborted when the terminal is closed, which would otherwise end the process in the middle of things. */
function hangUp(): AbortSignal {
  const hungUp = new AbortController();
  process.once("SIGHUP", () => hungUp.abort());
  return hungUp.signal;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}

/** What a person at a terminal wants to know next. */
function welcome({ address: url, nodeId, isRetired }: RunningServer, data: string): string {
  if (isRetired) {
    return `Not ready: ${url}
Node ${nodeId}, data in ${data}
It has left its cluster, or was given up: its id is retired, and it takes no writes any more. As a new node, with its data, it
comes back once it is stopped and reset:

  ${invocation()} reset --data ${data}
`;
  }
  return `Ready: ${url}
Node ${nodeId}, data in ${data}

  curl -X PUT -H 'Content-Type: text/plain' --data-raw 'hello, world' ${url}/kv/greeting
  curl ${url}/kv/greeting
  ${invocation()} ls --endpoint ${url}

The API is described at ${url}/docs. Ctrl-C stops the node.
`;
}
