/** Reading a response body, in parts or whole, under a deadline for each part. */
import type { Deadline } from "./platform.ts";
import { AnswerUnreadable } from "./schema.ts";

/** A buffered answer, of a value or a page, is never larger. */
const ANSWER_MAX_BYTES: number = 64 * 1024 * 1024;

/** A line holds the largest value there can be, 64 MiB, in base64, and what stands around it. */
export const VALUE_LINE_MAX_LENGTH: number = 96 * 1024 * 1024;

const LINE_FEED = 0x0a;

/** A buffered answer earns itself more time with so many bytes; one that trickles ends after the time for one wait. */
const PROGRESS_BYTES: number = 64 * 1024;

export class AnswerTooLarge extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`it is larger than ${ANSWER_MAX_BYTES} bytes`);
    this.name = "AnswerTooLarge";
    this.status = status;
  }
}

/** Lines end with a line feed, so one that does not was cut off by a connection that broke, unseen as it may be. */
export class LineCutOff extends Error {
  constructor() {
    super("its answer broke off within a line");
    this.name = "LineCutOff";
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
    if (size > ANSWER_MAX_BYTES) throw new AnswerTooLarge(response.status);
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

/**
 * The lines of UTF-8 text, without their line feeds.
 * @throws LineCutOff for a last line without one
 * @throws AnswerUnreadable for what is no UTF-8, and for a line of more than `maxLength` UTF-16 units
 */
export async function* readLines(
  parts: AsyncIterable<Uint8Array>,
  maxLength: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  // Only what is new is looked through: a large value's line comes in thousands of parts.
  let rest = "";
  let isWhole = true;
  for await (const part of parts) {
    if (part.length > 0) isWhole = part.at(-1) === LINE_FEED;
    const text = decoded(decoder, part);
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      yield rest + text.slice(start, end);
      rest = "";
      start = end + 1;
    }
    rest += text.slice(start);
    if (rest.length > maxLength)
      throw new AnswerUnreadable(`it has a line of more than ${maxLength} characters`);
  }
  if (!isWhole) throw new LineCutOff();
}

function decoded(decoder: TextDecoder, part: Uint8Array): string {
  try {
    return decoder.decode(part, { stream: true });
  } catch {
    throw new AnswerUnreadable("it is not UTF-8");
  }
}
