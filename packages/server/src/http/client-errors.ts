/** Connections on which no request ever arrived whole: too slow, too large, or no HTTP. */
import type { Socket } from "node:net";
import { LIMITS } from "@hearsay/api";
import { ApiProblem, renderProblem } from "./problem.ts";

/** @param count is told the status of an answer */
export function answerClientError(error: Error, socket: Socket, count: (status: number) => void): void {
  if (socket.destroyed) return;
  if ("code" in error && error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const { status, headers, body } = renderProblem(problemOf(error));
  count(status);
  if (socket.writable) {
    const lines = [`HTTP/1.1 ${status} ${REASONS.get(status) ?? "Bad Request"}`];
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
    lines.push("Connection: close", "", body);
    socket.end(lines.join("\r\n"));
  }
  socket.destroySoon();
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [408, "Request Timeout"],
  [414, "URI Too Long"],
  [431, "Request Header Fields Too Large"],
]);

function problemOf(error: Error): ApiProblem {
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new ApiProblem("request_timeout");
  if (code === "HPE_HEADER_OVERFLOW") {
    return new ApiProblem(startsWithLongTarget(error) ? "uri_too_long" : "headers_too_large");
  }
  return new ApiProblem("bad_request", { detail: error.message });
}

/** Whether what overflowed began with a request line that is too long by itself. */
function startsWithLongTarget(error: Error): boolean {
  const packet = "rawPacket" in error ? error.rawPacket : undefined;
  if (!(packet instanceof Uint8Array)) return false;
  const [line = ""] = Buffer.from(packet).toString("latin1").split("\r\n", 1);
  return /^[A-Z]+ /.test(line) && line.length > LIMITS.urlMaxBytes;
}
