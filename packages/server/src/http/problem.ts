import { MEDIA_TYPES, type Outcome, PROBLEMS, type ProblemCode } from "@hearsay/api";

export interface ProblemFacts {
  /** One sentence about this very case. */
  readonly detail?: string;
  /** Takes the place of the table's step. */
  readonly next?: string;
  /** Takes the place of the table's outcome. */
  readonly outcome?: Outcome;
  /** Members beside the standard ones. */
  readonly members?: Readonly<Record<string, string | number | boolean | null>>;
  /** Response headers, name then value. */
  readonly headers?: readonly string[];
}

/** A problem the API answers with; what a route throws is one of these or a fault of the layers below. */
export class ApiProblem extends Error {
  readonly code: ProblemCode;
  readonly facts: ProblemFacts;

  constructor(code: ProblemCode, facts: ProblemFacts = {}) {
    super(facts.detail ?? PROBLEMS[code].title);
    this.name = "ApiProblem";
    this.code = code;
    this.facts = facts;
  }
}

export interface RenderedProblem {
  readonly status: number;
  /** Name, value, name, value. */
  readonly headers: readonly string[];
  readonly body: string;
}

const RETRY_AFTER_SECONDS = 1;

export function renderProblem(problem: ApiProblem): RenderedProblem {
  const kind: { status: number; title: string; next: string; outcome?: Outcome } = PROBLEMS[problem.code];
  const { detail, members } = problem.facts;
  const outcome = problem.facts.outcome ?? kind.outcome;
  const body = JSON.stringify({
    status: kind.status,
    code: problem.code,
    title: kind.title,
    ...(detail === undefined ? {} : { detail }),
    next: problem.facts.next ?? kind.next,
    ...(outcome === undefined ? {} : { outcome }),
    ...members,
  });
  const headers = ["Content-Type", MEDIA_TYPES.problem, "Content-Length", String(Buffer.byteLength(body))];
  if (kind.status === 503 || kind.status === 507) headers.push("Retry-After", String(RETRY_AFTER_SECONDS));
  if (problem.facts.headers !== undefined) headers.push(...problem.facts.headers);
  return { status: kind.status, headers, body };
}
