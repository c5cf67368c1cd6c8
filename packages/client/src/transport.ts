/**
 * One call, over as many endpoints and attempts as it may take.
 *
 * The endpoint that answered last comes first; after a call that failed as if a node were away, the one behind it does. A
 * failure that may be repeated goes to the next endpoint at once;
 * after each round of all endpoints there is a pause, drawn uniformly from zero to a ceiling that doubles with each
 * round (full jitter), and never shorter than any Retry-After of the round asks for, within the cap.
 *
 * Whether a failure may be repeated is `Repeat`. `read`: always. For writes, `definite`: only while every failure so
 * far left nothing behind. `guarded` (a precondition): also after an unknown outcome, but then only at the same
 * endpoint, where the precondition lets at most one of the attempts in. `always`: twice does no harm.
 */
import { neverConnected, reasonOf } from "./connection-error.ts";
import { type Fault, HearsayError, type Outcome } from "./fault.ts";
import { AnswerTooLarge, readAll, readParts } from "./parts.ts";
import { Deadline, type FetchInit, type Platform, sleep } from "./platform.ts";
import { parseProblem } from "./schema.ts";
import { type Body, SentBody } from "./sent-body.ts";

export type Repeat = "read" | "definite" | "guarded" | "always";

export interface RetryPolicy {
  /** Rounds over all endpoints before a call fails. */
  readonly rounds: number;
  /** Ceiling of the first pause, in milliseconds. */
  readonly baseMs: number;
  /** No pause is longer than this many milliseconds. */
  readonly capMs: number;
}

export interface Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Path and query, below the endpoint. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly repeat: Repeat;
  readonly onRepeatUnknown?: (() => void) | undefined;
  /** The call is about the node at the first endpoint, so no other one is asked. */
  readonly pinned?: boolean | undefined;
  /** Statuses that are answers rather than failures, besides 2xx. */
  readonly expected?: readonly number[];
  /** Of an answer; one of another type is no node's. */
  readonly mediaType?: string | undefined;
  /** Longest wait for the answer, or for the next part of a streamed one. */
  readonly timeoutMs?: number | undefined;
  /** Of a streamed answer: longest wait for the next part, instead of that. */
  readonly partTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly endpoint: string;
  readonly status: number;
  readonly headers: Headers;
}

export interface TransportOptions {
  readonly endpoints: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly platform: Platform;
}

/** 408: the request did not come whole, or a connection nothing was sent on was closed just as it was used (RFC 9110, 15.5.9). */
const REPEATABLE_STATUS = new Set([408, 429, 502, 503, 507]);
const REPEATABLE_READ_STATUS = new Set([500, 504]);

export class Transport {
  readonly #options: TransportOptions;
  #preferred = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** The whole answer. */
  async send(call: Call): Promise<Answer & { readonly body: Uint8Array }> {
    return this.#repeat(call, async (response, deadline, endpoint) => {
      const body = await readAll(response, deadline);
      return { endpoint, status: response.status, headers: response.headers, body };
    });
  }

  /** The answer's parts as they come. Only getting hold of the answer is repeated, not reading it. */
  async stream(call: Call): Promise<Answer & { readonly parts: AsyncGenerator<Uint8Array> }> {
    return this.#repeat(call, async (response, deadline, endpoint) => {
      if (call.partTimeoutMs !== undefined) deadline.allow(call.partTimeoutMs);
      const parts = readParts(response, deadline, (error) => {
        const fault = this.#brokenOff(error, deadline, endpoint);
        return new HearsayError(fault, { outcome: outcomeOf(fault, call), attempts: 1 });
      });
      return { endpoint, status: response.status, headers: response.headers, parts };
    });
  }

  async #repeat<T>(
    call: Call,
    read: (response: Response, deadline: Deadline, endpoint: string) => Promise<T>,
  ): Promise<T> {
    const { endpoints, retry } = this.#options;
    const { pinned = false } = call;
    const round = pinned ? 1 : endpoints.length;
    const limit = round * retry.rounds;
    const begun = this.#preferred;
    let index = pinned ? 0 : begun;
    let outcome: Outcome = "none";
    let askedMs = 0;
    for (let attempts = 1; ; attempts++) {
      call.signal?.throwIfAborted();
      const result = await this.#attempt(endpoints[index] ?? "", call, read);
      if ("answer" in result) {
        if (!pinned) this.#preferred = index;
        return result.answer;
      }
      const { fault } = result;
      askedMs = Math.max(askedMs, askedMsOf(fault));
      if (outcomeOf(fault, call) === "unknown") outcome = "unknown";
      const final = attempts >= limit || !mayRepeat(fault, call, outcome);
      if (final) {
        // A write is not repeated elsewhere while it may be in effect, but those that follow need not fail as well.
        const isBegun = !pinned && this.#preferred === begun;
        if (isBegun && isAway(fault)) this.#preferred = (index + 1) % endpoints.length;
        throw new HearsayError(fault, { outcome, attempts });
      }
      if (outcome === "unknown") call.onRepeatUnknown?.();
      const stays = pinned || (call.repeat === "guarded" && outcome === "unknown");
      if (!stays) index = (index + 1) % endpoints.length;
      if (stays || attempts % round === 0) {
        await this.#pause(Math.ceil(attempts / round), askedMs, call.signal);
        askedMs = 0;
      }
    }
  }

  async #attempt<T>(
    endpoint: string,
    call: Call,
    read: (response: Response, deadline: Deadline, endpoint: string) => Promise<T>,
  ): Promise<{ readonly answer: T } | { readonly fault: Fault }> {
    const { platform, timeoutMs } = this.#options;
    const deadline = new Deadline(platform, call.timeoutMs ?? timeoutMs, call.signal);
    const body = new SentBody(call.body);
    try {
      const response = await platform.fetch(endpoint + call.path, this.#init(call, body, deadline));
      const { status } = response;
      if ((status >= 200 && status < 300) || call.expected?.includes(status)) {
        const reason = typeFault(response, call);
        if (reason === undefined) return { answer: await read(response, deadline, endpoint) };
        deadline.dispose();
        await response.body?.cancel();
        return { fault: { code: "bad_answer", endpoint, status, reason } };
      }
      return { fault: refusalOf(endpoint, response, await readAll(response, deadline), platform.nowMs()) };
    } catch (error) {
      deadline.dispose();
      if (call.signal?.aborted) throw call.signal.reason;
      if (body.failure !== undefined) throw body.failure.error;
      const reason = headerFault({ ...this.#options.headers, ...call.headers });
      if (reason !== undefined) return { fault: { code: "bad_header", reason } };
      return { fault: this.#brokenOff(error, deadline, endpoint) };
    }
  }

  #init({ method, headers, partTimeoutMs = 0 }: Call, body: SentBody, { signal, ms }: Deadline): FetchInit {
    const all = { ...this.#options.headers, ...headers };
    const timeoutMs = Math.max(ms, partTimeoutMs);
    return { method, headers: all, redirect: "error", signal, timeoutMs, ...body.init() };
  }

  #brokenOff(error: unknown, deadline: Deadline, endpoint: string): Fault {
    if (deadline.expired) return { code: "timed_out", endpoint, afterMs: deadline.ms };
    if (error instanceof AnswerTooLarge)
      return { code: "bad_answer", endpoint, status: error.status, reason: error.message };
    return { code: "unreachable", endpoint, reason: reasonOf(error), sent: !neverConnected(error) };
  }

  /** The pause after so many rounds without success, the last of which failed like this. */
  async pause(round: number, fault: Fault | undefined, signal: AbortSignal | undefined): Promise<void> {
    await this.#pause(round, fault === undefined ? 0 : askedMsOf(fault), signal);
  }

  /** The next call begins behind this endpoint, unless another one has answered since. */
  moveOn(endpoint: string): void {
    const { endpoints } = this.#options;
    if (endpoints[this.#preferred] === endpoint) this.#preferred = (this.#preferred + 1) % endpoints.length;
  }

  /** @param askedMs the longest that an endpoint has asked for since the last one */
  async #pause(round: number, askedMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { retry, platform } = this.#options;
    const ceiling = Math.min(retry.capMs, retry.baseMs * 2 ** (round - 1));
    const ms = Math.max(platform.random() * ceiling, Math.min(askedMs, retry.capMs));
    await sleep(platform, ms, signal);
  }
}

function outcomeOf(fault: Fault, call: Call): Outcome {
  if (call.repeat === "read") return "none";
  if (fault.code === "problem") {
    return fault.problem.outcome ?? (fault.problem.status < 500 ? "none" : "unknown");
  }
  if (fault.code === "unreachable") return fault.sent ? "unknown" : "none";
  return fault.code === "bad_key" || fault.code === "bad_header" ? "none" : "unknown";
}

/** What keeps the headers from being sent: fetch tells of it as of a connection that failed. */
function headerFault(headers: Readonly<Record<string, string>>): string | undefined {
  try {
    new Headers(headers);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function mayRepeat(fault: Fault, call: Call, outcome: Outcome): boolean {
  if (call.repeat === "definite" && outcome === "unknown") return false;
  if (call.repeat === "read") return isPassing(fault);
  const status = statusOf(fault);
  return status === undefined ? isPassing(fault) : REPEATABLE_STATUS.has(status);
}

/** Whether another attempt to read may go better. */
export function isPassing(fault: Fault): boolean {
  const status = statusOf(fault);
  if (status !== undefined) return REPEATABLE_STATUS.has(status) || REPEATABLE_READ_STATUS.has(status);
  return fault.code === "unreachable" || fault.code === "timed_out";
}

/** Whether another endpoint may do better with another call: no node has answered, or one that fails. */
function isAway(fault: Fault): boolean {
  if (fault.code === "problem") return fault.problem.status >= 500;
  return fault.code === "unreachable" || fault.code === "timed_out" || fault.code === "bad_answer";
}

/** Of an answer, also of one that is no node's: a proxy tells by its status alone that the node is away. */
function statusOf(fault: Fault): number | undefined {
  if (fault.code === "problem") return fault.problem.status;
  return fault.code === "bad_answer" ? fault.status : undefined;
}

function typeFault({ headers }: Response, { mediaType }: Call): string | undefined {
  const type = headers.get("content-type");
  if (mediaType === undefined || type?.startsWith(mediaType) === true) return undefined;
  return `it is ${type ?? "of no type"}, not ${mediaType}`;
}

/** The status is that of the answer itself: a proxy may put its own in place of the one that the body names. */
function refusalOf(endpoint: string, response: Response, body: Uint8Array, nowMs: number): Fault {
  const { status } = response;
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), nowMs);
  const problem = parseProblem(body);
  if (problem !== undefined)
    return { code: "problem", endpoint, problem: { ...problem, status }, retryAfterMs };
  const reason = `status ${status} without a problem description`;
  return { code: "bad_answer", endpoint, status, reason, retryAfterMs };
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function parseRetryAfter(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  const seconds = Number(text);
  const ms = Number.isNaN(seconds) ? Date.parse(text) - nowMs : seconds * 1000;
  return ms >= 0 ? ms : undefined;
}

function askedMsOf(fault: Fault): number {
  return "retryAfterMs" in fault ? (fault.retryAfterMs ?? 0) : 0;
}
