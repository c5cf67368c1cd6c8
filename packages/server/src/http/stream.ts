import type { ServerResponse } from "node:http";
import { Socket } from "node:net";

/**
 * Writes all of a source, never more than the reader takes, and ends the response.
 * A source that fails, and a reader that takes nothing for `slowReaderMs`, cut the connection: a stream that is not
 * whole must not look like one.
 * @returns whether all of it was written
 */
export async function pour(
  response: ServerResponse,
  source: AsyncIterable<string | Uint8Array>,
  slowReaderMs: number,
): Promise<boolean> {
  try {
    for await (const part of source) {
      if (response.destroyed) return false;
      if (response.write(part)) continue;
      if (!(await drained(response, slowReaderMs))) {
        response.destroy();
        return false;
      }
    }
  } catch (error) {
    response.destroy();
    throw error;
  }
  response.end();
  cutIfUnread(response, slowReaderMs);
  return true;
}

/**
 * Cuts the connection of an answer that was ended and of which the reader takes nothing for `slowReaderMs`. Costs a look
 * where the system has taken all of it at once.
 */
export function cutIfUnread(response: ServerResponse, slowReaderMs: number): void {
  const { socket } = response;
  if (socket === null) {
    // The answer before it on this connection is not out yet.
    response.once("socket", () => setImmediate(cutIfUnread, response, slowReaderMs));
    return;
  }
  // A test's injection has no socket that could be slow.
  if (response.writableFinished || socket.writableLength === 0 || !(socket instanceof Socket)) return;
  // To the time-out of a socket it counts what the system takes of one large write, too.
  socket.setTimeout(slowReaderMs);
  // Before Node sets the time for which it keeps the connection.
  response.prependOnceListener("finish", () => socket.setTimeout(0));
}

/** Settles when the reader has taken an answer that was ended, or is gone. */
export function taken(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.writableFinished || response.destroyed) return resolve();
    response.once("finish", resolve);
    response.once("close", resolve);
  });
}

/** Settles with true when the reader has taken what was written, with false when it is gone or takes nothing. */
export function drained(response: ServerResponse, slowReaderMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (taken: boolean): void => {
      clearTimeout(timer);
      response.off("drain", onDrain);
      response.off("close", onClose);
      resolve(taken);
    };
    const onDrain = (): void => settle(true);
    const onClose = (): void => settle(false);
    const timer = setTimeout(() => settle(false), slowReaderMs);
    response.on("drain", onDrain);
    response.on("close", onClose);
  });
}
