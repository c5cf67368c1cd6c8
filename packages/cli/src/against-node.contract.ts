/** A command in this process, against what stands for a node. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { Output } from "./io.ts";
import { run } from "./run.ts";

const UNHEARD: Output = { isTerminal: false, write: async () => undefined };

/** Its exit code, and what it says on standard error. */
export async function runAgainst(
  node: RequestListener,
  args: readonly string[],
  out: Output = UNHEARD,
): Promise<{ readonly code: number; readonly err: string }> {
  const server = createServer(node).listen(0, "127.0.0.1");
  await once(server, "listening");
  let err = "";
  const code = await run(args, {
    out,
    err: {
      isTerminal: false,
      write: async (part) => {
        err += Buffer.from(part).toString();
      },
    },
    input: Object.assign(Readable.from([]), { isTerminal: false }),
    env: { HEARSAY_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    stopped: new AbortController().signal,
  });
  server.closeAllConnections();
  server.close();
  return { code, err };
}
