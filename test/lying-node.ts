/** Stands before a real node as if it were that, and lies: what a checker must notice. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/**
 * `drops`: acknowledges every fifth write and forgets it. `revives`: acknowledges deletions and keeps the value. `denies`: shows each value as
 * a deletion. `expires`: shows each as one whose time is over. `stalls`: never says whether it has converged. `fails`: refuses every fifth
 * write as one that has a defect.
 */
export type Lie = "drops" | "revives" | "denies" | "expires" | "stalls" | "fails" | "none";

const EVERY = 5;

const PROBLEM = { type: "about:blank", title: "", detail: "", next: "", retryable: false };

export interface LyingNode {
  readonly url: string;
  close(): void;
}

export async function lyingNode(target: string, lie: Lie): Promise<LyingNode> {
  let writes = 0;
  const isLie = ({ method }: IncomingMessage): boolean => {
    if (lie === "revives") return method === "DELETE";
    if ((lie !== "drops" && lie !== "fails") || method !== "PUT") return false;
    writes += 1;
    return writes % EVERY === 0;
  };
  const server = createServer((request, response) => {
    const lies = isLie(request);
    if (lies && lie === "fails") {
      response.writeHead(500, { "Content-Type": "application/problem+json" });
      response.end(JSON.stringify({ ...PROBLEM, status: 500, code: "defect" }));
      return;
    }
    forward(target, request, response, lies ? "elsewhere" : lie).catch((error: unknown) => {
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

/** A dropped write is a real one to another key, so its version and everything else in the answer is as it should be. */
async function forward(
  target: string,
  request: IncomingMessage,
  response: ServerResponse,
  lie: Lie | "elsewhere",
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
  if (lie === "stalls" && path.startsWith("/cluster/convergence")) {
    response.statusCode = 503;
    response.end();
    return;
  }
  const answer = await fetch(target + (lie === "elsewhere" ? path.replace("/kv/", "/kv/elsewhere/") : path), {
    method,
    headers,
    ...(parts.length > 0 ? { body: Buffer.concat(parts) } : undefined),
  });
  const told = Buffer.from(await answer.arrayBuffer());
  const isShown = method === "GET" && path.startsWith("/kv/") && answer.status === 200;
  const { status, body } = isShown ? hidden(lie, answer, told) : { status: answer.status, body: told };
  response.statusCode = status;
  for (const [name, value] of answer.headers) {
    if (!["connection", "keep-alive", "content-length", "transfer-encoding"].includes(name))
      response.setHeader(name, value);
  }
  response.end(body);
}

interface SiblingList {
  readonly siblings: readonly { readonly version: string; readonly node: string; readonly time: string }[];
}

/** The answer without its value, as one looks to whom that was deleted or is over. */
function hidden(
  lie: string,
  { headers, status }: Response,
  body: Buffer,
): { readonly status: number; readonly body: Buffer | string } {
  if (lie !== "denies" && lie !== "expires") return { status, body };
  if (!headers.get("content-type")?.startsWith("application/json")) {
    const version = headers.get("etag")?.slice(1, -1);
    const facts = { status: 404, code: "not_found", deleted: true, version };
    return { status: 404, body: JSON.stringify({ ...PROBLEM, ...facts }) };
  }
  const list = JSON.parse(body.toString()) as SiblingList;
  const siblings = list.siblings.map(({ version, node, time, ...rest }) =>
    lie === "denies"
      ? { version, node, time, deleted: true }
      : { version, node, time, ...rest, expired: true },
  );
  return { status, body: JSON.stringify({ ...list, siblings }) };
}
