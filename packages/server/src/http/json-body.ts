/** Small JSON bodies of calls that change the cluster. */
import { MEDIA_TYPES, type Schema } from "@hearsay/api";
import type { Services } from "../services.ts";
import { type BodyLimit, readBody } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { decodeJson, type Json, refuseDoubledNames } from "./json.ts";
import { ApiProblem } from "./problem.ts";
import { schemaFault } from "./schema-fault.ts";
import { validatorOf } from "./validator.ts";

const LIMIT: BodyLimit = { maxBytes: 4096, knob: "fixed" };
const NO_BODY: Json = { text: "{}", value: {} };

/**
 * A reader for bodies of one schema; no body at all counts as an empty object.
 * @returns rejects with ApiProblem `unsupported_media_type`, `invalid_body`, `body_too_large`
 */
export function jsonBodyReader<T>(schema: Schema<T>): (services: Services, exchange: Exchange) => Promise<T> {
  const validator = validatorOf(schema);
  return async (services, exchange) => {
    const bytes = await bytesOf(services, exchange);
    const json = bytes.length === 0 ? NO_BODY : decodeJson(bytes);
    const { value } = json;
    if (!validator.Check(value)) {
      const [, faults] = validator.Errors(value);
      throw new ApiProblem("invalid_body", { detail: schemaFault(faults, schema, "field") });
    }
    refuseDoubledNames(json);
    return value;
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
