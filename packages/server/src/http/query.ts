/** Parameters and headers that several calls share, parsed and checked once. */
import { LIMITS, parseDurationMs, type Schema, Type } from "@hearsay/api";
import { type ClientContext, parseClientContext, parseVersion, type Version } from "@hearsay/core";
import { ApiProblem } from "./problem.ts";
import { schemaFault } from "./schema-fault.ts";
import { targetQuery } from "./target.ts";
import { validatorOf } from "./validator.ts";

export interface QueryValidator {
  /** @throws ApiProblem `invalid_query` */
  check(parameters: ReadonlyMap<string, string>): void;
}

/** A validator from the very schema that OpenAPI shows. */
export function queryValidator(schema: Schema<unknown>): QueryValidator {
  const validator = validatorOf(schema);
  return {
    check(parameters) {
      const query = Object.fromEntries(parameters);
      if (validator.Check(query)) return;
      const [, faults] = validator.Errors(query);
      const detail = schemaFault(faults, schema, "parameter");
      throw new ApiProblem("invalid_query", { detail });
    },
  };
}

const noQuery = queryValidator(Type.Object({}, { additionalProperties: false }));

/**
 * For calls without parameters: one that is left out of account would mislead whoever sent it.
 * @throws ApiProblem `invalid_query`
 */
export function refuseParameters(target: string): void {
  if (target.includes("?")) noQuery.check(targetQuery(target));
}

export interface AckWish {
  /** How many replicas have to hold it durably. */
  readonly needed: number;
  /** All members, of whom there may be fewer at the end. */
  readonly isAll: boolean;
  readonly timeoutMs: number;
}

/**
 * @param members how many members the cluster has
 * @returns undefined when neither `ack` nor `timeout` is given
 * @throws ApiProblem `invalid_query`, `ack_exceeds_members`
 */
export function parseAck(parameters: ReadonlyMap<string, string>, members: number): AckWish | undefined {
  const ack = parameters.get("ack");
  const timeout = parameters.get("timeout");
  if (ack === undefined && timeout === undefined) return undefined;
  return { needed: ackCount(ack ?? "1", members), isAll: ack === "all", timeoutMs: parseTimeout(timeout) };
}

function ackCount(ack: string, members: number): number {
  if (ack === "all") return members;
  if (ack === "quorum") return Math.floor(members / 2) + 1;
  if (!/^[1-9]\d{0,5}$/.test(ack)) {
    throw new ApiProblem("invalid_query", { detail: '"ack" is a number from 1, "quorum" or "all".' });
  }
  const needed = Number(ack);
  if (needed > members) {
    throw new ApiProblem("ack_exceeds_members", {
      detail: `ack=${needed}, and the cluster has ${members} ${members === 1 ? "member" : "members"}.`,
      members: { members },
    });
  }
  return needed;
}

/** @throws ApiProblem `invalid_query` */
export function parseTimeout(text: string | undefined): number {
  if (text === undefined) return LIMITS.timeoutDefaultMs;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms > LIMITS.timeoutMaxMs) {
    throw new ApiProblem("invalid_query", { detail: '"timeout" is a duration such as 5s, of at most 10m.' });
  }
  return ms;
}

/** @throws ApiProblem with the given code */
export function parseTtl(
  text: string | undefined,
  code: "invalid_query" | "invalid_body" = "invalid_query",
): number | null {
  if (text === undefined) return null;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms === 0) {
    throw new ApiProblem(code, { detail: '"ttl" is a duration such as 30s, longer than zero.' });
  }
  return ms;
}

/** What the client had read; undefined when it does not say. @throws ApiProblem `invalid_context` */
export function parseSeen(text: string | string[] | undefined): ClientContext | undefined {
  if (text === undefined) return undefined;
  const context =
    typeof text === "string" && text.length <= LIMITS.contextMaxBytes ? parseClientContext(text) : undefined;
  if (context === undefined) throw new ApiProblem("invalid_context");
  return context;
}

/** @throws ApiProblem `invalid_header` */
export function parseAfter(text: string | string[]): Version {
  const bare = typeof text === "string" ? text.replace(/^"(.*)"$/, "$1") : "";
  const version = parseVersion(bare);
  if (version === undefined) {
    throw new ApiProblem("invalid_header", { detail: "Hearsay-After is a version, as in ETag." });
  }
  return version;
}

/** Versions between commas. @throws ApiProblem `invalid_header` */
export function parseAfters(text: string | string[]): Version[] {
  const texts = typeof text === "string" ? text.split(",") : text;
  if (texts.length > LIMITS.afterMaxVersions) {
    throw new ApiProblem("invalid_header", {
      detail: `Hearsay-After has at most ${LIMITS.afterMaxVersions} versions.`,
    });
  }
  return texts.map((one) => parseAfter(one.trim()));
}

const CONTENT_TYPE = /^[\x20-\x7e\x80-\xff]+$/;

/** A content type is stored as it came; it only has to fit into a header again. */
export function isContentType(text: string): boolean {
  return text.length <= LIMITS.contentTypeMaxBytes && CONTENT_TYPE.test(text) && text.trim() === text;
}

/** @throws ApiProblem `invalid_query` */
export function parsePageLimit(text: string | undefined): number {
  return Math.min(text === undefined ? LIMITS.pageDefaultItems : Number(text), LIMITS.pageMaxItems);
}
