import { basename, relative, resolve } from "node:path";
import { type RunningServer, startServer } from "@hearsay/server";
import type { Io } from "./io.ts";
import { loadNodeConfig } from "./node-config.ts";
import type { NodeFlags } from "./node-flags.ts";

/** Runs a node until the process is asked to end. */
export async function serve(io: Io, flags: NodeFlags): Promise<void> {
  const { settings } = loadNodeConfig(flags, io.env);
  const server = await startServer(settings);
  try {
    await io.err.write(welcome(server, resolve(settings.data)));
    await untilAborted(io.stopped);
  } finally {
    await server.close();
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}

/** What a person at a terminal wants to know next. */
function welcome({ address: url, nodeId }: RunningServer, data: string): string {
  return `Ready: ${url}
Node ${nodeId}, data in ${data}

  curl -X PUT -H 'Content-Type: text/plain' --data-raw 'hello, world' ${url}/kv/greeting
  curl ${url}/kv/greeting
  ${invocation()} ls --endpoint ${url}

The API is described at ${url}/docs. Ctrl-C stops the node.
`;
}

/** How this command can be called again, from where it was called. */
function invocation(): string {
  const script = process.argv[1] ?? "hearsay";
  return basename(script) === "hearsay" ? "hearsay" : `node ${relative(process.cwd(), script)}`;
}
