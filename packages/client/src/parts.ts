/** Reading a response body, in parts or whole, under a deadline for each part. */
import type { Deadline } from "./platform.ts";

/** A buffered answer, of a value or a page, is never larger. */
const ANSWER_MAX_BYTES: number = 64 * 1024 * 1024;

/** A buffered answer earns itself more time with so many bytes; one that trickles ends after the time for one wait. */
const PROGRESS_BYTES: number = 64 * 1024;

export class AnswerTooLarge extends Error {
  constructor() {
    super(`it is larger than ${ANSWER_MAX_BYTES} bytes`);
    this.name = "AnswerTooLarge";
  }
}

/**
 * Yields the parts; leaving the loop early cancels the rest. The deadline is disposed of at the end.
 * @param progressBytes what has to arrive until the wait starts anew; 0: any part, and the caller's own time does not count
 */
export async function* readParts(
  response: Response,
  deadline: Deadline,
  toError: (error: unknown) => unknown,
  progressBytes = 0,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  let ended = reader === undefined;
  const { signal } = deadline;
  // Node's fetch may forget the signal once it has answered, when the garbage is collected: a silent stream would stay.
  let cancelled = false;
  const onAbort = (): void => {
    cancelled = true;
    reader?.cancel(signal.reason).catch(() => undefined);
  };
  signal.addEventListener("abort", onAbort);
  let missing = 0;
  try {
    while (reader !== undefined) {
      if (missing <= 0) {
        deadline.renew();
        missing = progressBytes;
      }
      const { done, value } = await reader.read().catch((error: unknown) => {
        ended = true;
        throw toError(error);
      });
      if (cancelled) {
        ended = true;
        throw toError(signal.reason);
      }
      missing -= value?.length ?? 0;
      if (missing <= 0) deadline.pause();
      ended = done;
      if (done) return;
      if (value !== undefined) yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    deadline.dispose();
    if (!ended) await reader?.cancel();
  }
}

/** @throws AnswerTooLarge beyond {@link ANSWER_MAX_BYTES} */
export async function readAll(response: Response, deadline: Deadline): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of readParts(response, deadline, (error) => error, PROGRESS_BYTES)) {
    size += part.length;
    if (size > ANSWER_MAX_BYTES) throw new AnswerTooLarge();
    parts.push(part);
  }
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** The lines of UTF-8 text, without their line feeds; the last one may end without. */
export async function* readLines(
  parts: AsyncIterable<Uint8Array>,
  maxLength: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const part of parts) {
    const text = rest + decoder.decode(part, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      yield text.slice(start, end);
      start = end + 1;
    }
    rest = text.slice(start);
    if (rest.length > maxLength) throw new AnswerTooLarge();
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
