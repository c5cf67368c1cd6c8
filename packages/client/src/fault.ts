import type { Problem } from "@hearsay/api";

/**
 * What a failed call leaves behind. `none`: nothing was written, for certain. `unknown`: a write may be in effect;
 * read the key before you decide. Reads are always `none`.
 */
export type Outcome = "none" | "unknown";

/** Why an endpoint did not answer a call. */
export type Fault =
  /** The node refused it; `problem` is its RFC 9457 answer. */
  | {
      readonly code: "problem";
      readonly endpoint: string;
      readonly problem: Problem;
      readonly retryAfterMs: number | undefined;
    }
  /** No connection, or one that broke. `sent`: the request may have arrived. */
  | {
      readonly code: "unreachable";
      readonly endpoint: string;
      readonly reason: string;
      readonly sent: boolean;
    }
  | { readonly code: "timed_out"; readonly endpoint: string; readonly afterMs: number }
  /** What came back is not what a node of this version says: of a proxy, for instance, whose node is away. */
  | {
      readonly code: "bad_answer";
      readonly endpoint: string;
      /** Of the answer. */
      readonly status: number;
      readonly reason: string;
      readonly retryAfterMs?: number | undefined;
    }
  /** The key is empty, or it or a prefix is no well-formed text, so no request could carry it. */
  | { readonly code: "bad_key"; readonly key: string }
  /** A header that no request can carry, such as a content type with a line feed. */
  | { readonly code: "bad_header"; readonly reason: string }
  /** None of the key's siblings has the version that shall be taken. */
  | { readonly code: "no_such_sibling"; readonly key: string; readonly version: string };

export class HearsayError extends Error {
  readonly fault: Fault;
  readonly outcome: Outcome;
  /** The node's problem code where it gave one, otherwise the fault's. */
  readonly code: string;
  /** How often it was tried. */
  readonly attempts: number;

  constructor(fault: Fault, facts: { readonly outcome: Outcome; readonly attempts: number }) {
    super(describe(fault));
    this.name = "HearsayError";
    this.fault = fault;
    this.outcome = facts.outcome;
    this.attempts = facts.attempts;
    this.code = fault.code === "problem" ? fault.problem.code : fault.code;
  }
}

function describe(fault: Fault): string {
  switch (fault.code) {
    case "problem":
      return fault.problem.detail ?? fault.problem.title;
    case "unreachable":
      return `${fault.endpoint} cannot be reached: ${fault.reason}`;
    case "timed_out":
      return `${fault.endpoint} did not answer within ${fault.afterMs} ms`;
    case "bad_answer":
      return `${fault.endpoint} gave an answer that is not understood: ${fault.reason}`;
    case "bad_key":
      return `${JSON.stringify(fault.key)} is no key: it is empty or not well-formed text`;
    case "bad_header":
      return `no request can carry such a header: ${fault.reason}`;
    case "no_such_sibling":
      return `${fault.key} has no sibling ${fault.version} any more`;
  }
}
