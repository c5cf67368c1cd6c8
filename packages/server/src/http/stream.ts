import type { ServerResponse } from "node:http";

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
  return true;
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
