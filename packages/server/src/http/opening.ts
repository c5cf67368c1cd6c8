/** What a node answers that has no run to serve: it opens its data directory, at its start or anew. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { MEDIA_TYPES, type Readiness } from "@hearsay/api";
import type { Phase } from "./gate.ts";
import { ApiProblem, renderProblem } from "./problem.ts";
import { routedTarget } from "./target.ts";

/** A supervisor learns that the process is at work, and all others what a node says that is not ready. */
export function answerWhileOpening(phase: Phase, request: IncomingMessage, response: ServerResponse): void {
  const [path, query = ""] = routedTarget(request.url ?? "/").split("?");
  const detail = `The node is ${phase}: it opens its data directory, and salvages or rebuilds what has to be.`;
  const isAsked = request.method === "GET" || request.method === "HEAD";
  if (isAsked && path === "/livez") sendReadiness(response, 200, { ready: true });
  else if (isAsked && path === "/readyz") {
    const isVerbose = new URLSearchParams(query).has("verbose");
    const checks = [{ name: "phase", ok: false, detail }];
    sendReadiness(response, 503, { ready: false, ...(isVerbose ? { checks } : {}) });
  } else {
    const { status, headers, body } = renderProblem(new ApiProblem("not_ready", { detail }));
    response.writeHead(status, [...headers]).end(body);
  }
}

function sendReadiness(response: ServerResponse, status: number, readiness: Readiness): void {
  const body = JSON.stringify(readiness);
  const headers = ["Content-Type", MEDIA_TYPES.json, "Content-Length", String(Buffer.byteLength(body))];
  response.writeHead(status, headers).end(body);
}
