/**
 * What pipelined requests may make wait. Node reads a connection in chunks of up to 64 KiB and hands over all requests in one,
 * some two thousand, before it looks whether the answers are taken; each could be answered with a value. So once the answers
 * that wait behind another on their connection come to the bound, each further request is looked at when its turn to be
 * answered has come: by then all before it have left.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Of one connection, the answer that is going out not counted, and one more that came to be made before it was reached. */
const QUEUED_MAX_BYTES = 1024 * 1024;

interface Queue {
  bytes: number;
  /** Requests that wait for their turn: those behind them wait as well, and keep their order. */
  waiting: number;
}

const queues: WeakMap<Socket, Queue> = new WeakMap();

/** Counts an answer that was ended before its turn has come. */
export function countQueued(response: ServerResponse, bytes: number): void {
  const { socket } = response.req;
  const queue = queues.get(socket) ?? { bytes: 0, waiting: 0 };
  queues.set(socket, queue);
  queue.bytes += bytes;
  response.once("socket", () => {
    queue.bytes -= bytes;
  });
}

/** Runs what answers a request: at once, or where too much waits before it on its connection, when its turn has come. */
export function inTurn(response: ServerResponse, run: () => void): void {
  const queue = response.socket === null ? queues.get(response.req.socket) : undefined;
  if (queue === undefined || (queue.bytes < QUEUED_MAX_BYTES && queue.waiting === 0)) {
    run();
    return;
  }
  queue.waiting += 1;
  response.once("socket", () => {
    queue.waiting -= 1;
    setImmediate(run);
  });
}
