/** Small JSON bodies of calls that change the cluster. */
import { MEDIA_TYPES, type Schema } from "@hearsay/api";
import type { Services } from "../services.ts";
import { type BodyLimit, readBody } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { ApiProblem } from "./problem.ts";
import { schemaFault } from "./schema-fault.ts";
import { validatorOf } from "./validator.ts";

const LIMIT: BodyLimit = { maxBytes: 4096, knob: "fixed" };

/**
 * A reader for bodies of one schema; no body at all counts as an empty object.
 * @returns rejects with ApiProblem `unsupported_media_type`, `invalid_body`, `body_too_large`
 */
export function jsonBodyReader<T>(schema: Schema<T>): (services: Services, exchange: Exchange) => Promise<T> {
  const validator = validatorOf(schema);
  return async (services, exchange) => {
    const body = parsed(await bytesOf(services, exchange));
    if (validator.Check(body)) return body;
    const [, faults] = validator.Errors(body);
    const detail = schemaFault(faults, schema, "field");
    throw new ApiProblem("invalid_body", { detail });
  };
}

function bytesOf({ budget }: Services, exchange: Exchange): Promise<Uint8Array> {
  // A page in a browser can send other types to any address without asking, but not this one.
  const type = exchange.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== MEDIA_TYPES.json || exchange.headers["content-encoding"] !== undefined) {
    throw new ApiProblem("unsupported_media_type", { detail: `The body is ${MEDIA_TYPES.json}.` });
  }
  return new Promise((resolve, reject) => {
    readBody(exchange.raw, LIMIT, budget, (problem, bytes, taken) => {
      // It is small and decoded at once, so the budget need not wait for the answer.
      budget.release(taken);
      if (problem === undefined) resolve(bytes);
      else reject(problem);
    });
  });
}

function parsed(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ApiProblem("invalid_body", {
      detail: `Not JSON: ${error instanceof Error ? error.message : ""}`,
    });
  }
}
