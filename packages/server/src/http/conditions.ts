/**
 * Conditional requests, RFC 9110 section 13: which conditions there are, how entity tags compare, and in which
 * order the conditions count. They are checked against what this node holds; they are no compare-and-swap of
 * the cluster.
 */
import type { IncomingHttpHeaders } from "node:http";
import { ApiProblem } from "./problem.ts";

/** What a condition is checked against; undefined when the key has no live value. */
export type Current = { readonly etag: string; readonly modifiedMs: number } | undefined;

export type Verdict = "proceed" | "not_modified" | "precondition_failed";

export function hasConditions(headers: IncomingHttpHeaders): boolean {
  return (
    headers["if-none-match"] !== undefined ||
    headers["if-match"] !== undefined ||
    headers["if-modified-since"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  );
}

/** The order of RFC 9110, section 13.2.2. */
export function checkConditions(
  headers: IncomingHttpHeaders,
  current: Current,
  kind: "read" | "write",
): Verdict {
  const ifMatch = headers["if-match"];
  const ifUnmodifiedSince = headers["if-unmodified-since"];
  if (ifMatch !== undefined) {
    if (!matches("If-Match", ifMatch, current, "strong")) return "precondition_failed";
  } else if (ifUnmodifiedSince !== undefined && current !== undefined) {
    const since = Date.parse(ifUnmodifiedSince);
    if (!Number.isNaN(since) && wholeSeconds(current.modifiedMs) > since) return "precondition_failed";
  }
  const ifNoneMatch = headers["if-none-match"];
  const ifModifiedSince = headers["if-modified-since"];
  if (ifNoneMatch !== undefined) {
    if (matches("If-None-Match", ifNoneMatch, current, "weak")) {
      return kind === "read" ? "not_modified" : "precondition_failed";
    }
  } else if (ifModifiedSince !== undefined && kind === "read" && current !== undefined) {
    const since = Date.parse(ifModifiedSince);
    if (!Number.isNaN(since) && wholeSeconds(current.modifiedMs) <= since) return "not_modified";
  }
  return "proceed";
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

const ENTITY_TAG = /\s*(W\/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)/y;

function matches(name: string, field: string, current: Current, comparison: "strong" | "weak"): boolean {
  if (field.trim() === "*") return current !== undefined;
  let found = false;
  let tags = 0;
  ENTITY_TAG.lastIndex = 0;
  // Empty list elements are allowed (RFC 9110, section 5.6.1).
  const text = field
    .replace(/^[\s,]+/, "")
    .replace(/(,\s*)+/g, ",")
    .replace(/,\s*$/, "");
  while (ENTITY_TAG.lastIndex < text.length) {
    const match = ENTITY_TAG.exec(text);
    if (match === null) {
      throw new ApiProblem("invalid_header", { detail: `${name} is "*" or a list of quoted entity tags.` });
    }
    tags += 1;
    const comparable = comparison === "weak" || match[1] === undefined;
    if (comparable && match[2] === current?.etag) found = true;
  }
  if (tags === 0) throw new ApiProblem("invalid_header", { detail: `${name} is empty.` });
  return found;
}
