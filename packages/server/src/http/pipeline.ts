/**
 * What pipelined requests may make wait. Node reads a connection in chunks of up to 64 KiB and hands over all requests in one,
 * some two thousand, before it looks whether the answers are taken; each could be answered with a value. So once the answers
 * that wait behind another on their connection come to the bound, each further request is looked at when its turn to be
 * answered has come: by then all before it have left.
 *
 * When the connection closes, Node says so of the answer that is going out alone. Those behind it hear of it from here.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Of one connection, the answer that is going out not counted, and one more that came to be made before it was reached. */
const QUEUED_MAX_BYTES = 1024 * 1024;

interface Queue {
  bytes: number;
  /** Requests that wait for their turn: those behind them wait as well, and keep their order. */
  waiting: number;
  /** Answers whose turn has not come, made or not. */
  readonly responses: Set<ServerResponse>;
}

const queues: WeakMap<Socket, Queue> = new WeakMap();

function queueOf(socket: Socket): Queue {
  const known = queues.get(socket);
  if (known !== undefined) return known;
  const queue: Queue = { bytes: 0, waiting: 0, responses: new Set() };
  queues.set(socket, queue);
  socket.once("close", () => {
    for (const response of queue.responses) {
      response.destroy();
      response.emit("close");
    }
  });
  return queue;
}

/** Counts an answer that was ended before its turn has come. */
export function countQueued(response: ServerResponse, bytes: number): void {
  const queue = queueOf(response.req.socket);
  queue.bytes += bytes;
  response.once("socket", () => {
    queue.bytes -= bytes;
  });
}

/**
 * Runs what answers a request: at once, or where too much waits before it on its connection, when its turn has come. From
 * then on the response is destroyed and emits `close` when its connection closes, whether its turn has come or not.
 */
export function inTurn(response: ServerResponse, run: () => void): void {
  if (response.socket !== null) {
    run();
    return;
  }
  const { socket } = response.req;
  // Node hands over what it had read before. Nothing would tell such a request that its client is gone.
  if (socket.closed) return;
  const queue = queueOf(socket);
  const mustWait = queue.bytes >= QUEUED_MAX_BYTES || queue.waiting > 0;
  if (mustWait) queue.waiting += 1;
  queue.responses.add(response);
  response.on("socket", () => {
    queue.responses.delete(response);
    if (!mustWait) return;
    queue.waiting -= 1;
    // Meanwhile the connection may close: Node then says so before anybody listens.
    setImmediate(() => {
      if (!response.destroyed) run();
    });
  });
  if (!mustWait) run();
}
