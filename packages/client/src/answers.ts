/** What calls return, read from the node's answer. */
import { HEADERS } from "@hearsay/api";
import { HearsayError } from "./fault.ts";
import { LineCutOff, readLines } from "./parts.ts";
import { AnswerUnreadable, parseProblem } from "./schema.ts";
import type { Answer, Call } from "./transport.ts";

/** What a read says about the node that answered it. */
export interface Source {
  /** The id of that node. */
  readonly node: string | undefined;
  /** The node holds every write made up to then. */
  readonly completeThrough: Date | undefined;
}

export interface StoredValue extends Source {
  readonly kind: "value";
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly version: string;
  /** Hand it to a write that shall supersede just what was read. */
  readonly context: string | undefined;
  /** Concurrent siblings beside this winner. */
  readonly conflicts: number;
  readonly expiresAt: Date | undefined;
}

export interface NoValue extends Source {
  readonly kind: "missing";
  /** A delete is known, and `version` is its tombstone's. */
  readonly deleted: boolean;
  readonly version: string | undefined;
  readonly context: string | undefined;
  /** Concurrent siblings beside what deleted it. */
  readonly conflicts: number;
}

/** The winner still is the version that `unlessVersion` named. */
export interface Unchanged extends Source {
  readonly kind: "unchanged";
}

export type ReadResult = StoredValue | NoValue | Unchanged;

export function sourceOf({ headers }: Answer): Source {
  const through = headers.get(HEADERS.completeThrough);
  return {
    node: headers.get(HEADERS.node) ?? undefined,
    completeThrough: through === null ? undefined : new Date(through),
  };
}

/** @throws AnswerUnreadable when the answer names no version */
export function storedValue(answer: Answer & { readonly body: Uint8Array }): StoredValue {
  const { headers, body } = answer;
  const version = versionOf(headers);
  if (version === undefined) throw new AnswerUnreadable("it has no ETag");
  const expires = headers.get(HEADERS.expires);
  return {
    kind: "value",
    bytes: body,
    contentType: headers.get("content-type") ?? "application/octet-stream",
    version,
    context: headers.get(HEADERS.context) ?? undefined,
    conflicts: conflictsOf(headers),
    expiresAt: expires === null ? undefined : new Date(expires),
    ...sourceOf(answer),
  };
}

/** How many siblings stand beside the winner. */
export function conflictsOf(headers: Headers): number {
  return Number(headers.get(HEADERS.conflicts) ?? 0);
}

/** The entity tag without its quotes. A proxy that compresses marks it as weak; what arrives is what the node sent. */
export function versionOf(headers: Headers): string | undefined {
  return /^(?:W\/)?"(.*)"$/.exec(headers.get("etag") ?? "")?.[1];
}

/**
 * The facts of a 404; a tombstone gives its version.
 * @throws AnswerUnreadable when it is another status, or not a node that says so of a key
 */
export function parseMissing({ status, body }: Answer & { readonly body: Uint8Array }): {
  readonly deleted: boolean;
  readonly version: string | undefined;
} {
  if (status !== 404) throw new AnswerUnreadable(`status ${status}, which no node gives to a read`);
  const problem = parseProblem(body);
  if (problem?.code !== "not_found") throw new AnswerUnreadable("status 404, but not for the key");
  const facts: Readonly<Record<string, unknown>> = problem;
  const { deleted, version } = facts;
  return { deleted: deleted === true, version: typeof version === "string" ? version : undefined };
}

/** Runs a reader of an answer; what it cannot read becomes the call's failure. */
export function understood<T>(answer: Answer, call: Call, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw failureOf(answer, call, error);
  }
}

/** The lines of a streamed answer; what is no text, too long or cut off becomes the call's failure. */
export async function* understoodLines(
  answer: Answer & { readonly parts: AsyncIterable<Uint8Array> },
  call: Call,
  maxLength: number,
): AsyncGenerator<string> {
  try {
    yield* readLines(answer.parts, maxLength);
  } catch (error) {
    throw failureOf(answer, call, error);
  }
}

function failureOf({ endpoint, status }: Answer, call: Call, error: unknown): unknown {
  // A write that was answered with a success took place, only its version is not known.
  const facts = { outcome: call.repeat === "read" ? "none" : "unknown", attempts: 1 } as const;
  if (error instanceof LineCutOff)
    return new HearsayError({ code: "unreachable", endpoint, reason: error.message, sent: true }, facts);
  if (!(error instanceof AnswerUnreadable)) return error;
  return new HearsayError({ code: "bad_answer", endpoint, status, reason: error.message }, facts);
}
