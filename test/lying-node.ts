/** Stands before a real node as if it were that, and lies: what a checker must notice. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** `drops`: acknowledges every fifth write and forgets it. `revives`: acknowledges deletions and keeps the value. */
export type Lie = "drops" | "revives" | "none";

const EVERY = 5;

export interface LyingNode {
  readonly url: string;
  close(): void;
}

export async function lyingNode(target: string, lie: Lie): Promise<LyingNode> {
  let writes = 0;
  const isLie = ({ method }: IncomingMessage): boolean => {
    if (lie === "revives") return method === "DELETE";
    if (lie === "none" || method !== "PUT") return false;
    writes += 1;
    return writes % EVERY === 0;
  };
  const server = createServer((request, response) => {
    forward(target, request, response, isLie(request)).catch((error: unknown) => {
      response.statusCode = 502;
      response.end(String(error));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => server.closeAllConnections() ?? server.close() };
}

/** A lie is a real write to another key, so its version and everything else in the answer is as it should be. */
async function forward(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  isLie: boolean,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const path = request.url ?? "/";
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (
      typeof value === "string" &&
      !["host", "connection", "content-length", "transfer-encoding"].includes(name)
    )
      headers.set(name, value);
  }
  const method = request.method ?? "GET";
  const answer = await fetch(target + (isLie ? path.replace("/kv/", "/kv/elsewhere/") : path), {
    method,
    headers,
    ...(parts.length > 0 ? { body: Buffer.concat(parts) } : undefined),
  });
  const body = Buffer.from(await answer.arrayBuffer());
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) {
    if (!["connection", "keep-alive", "content-length", "transfer-encoding"].includes(name))
      response.setHeader(name, value);
  }
  response.end(body);
}
