/** What a route is made of: OpenAPI and the router get the same. */
import { MEDIA_TYPES, Problem, type Schema, Type } from "@hearsay/api";
import type { HTTPMethods } from "fastify";
import type { Operation } from "../metrics/requests.ts";
import type { Exchange } from "./exchange.ts";

export interface RouteDescription {
  readonly method: HTTPMethods;
  readonly url: string;
  readonly operation: Operation;
  readonly schema: RouteSchema;
  readonly handle: (exchange: Exchange) => undefined | Promise<void> | void;
}

export interface RouteSchema {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly params?: Schema<unknown>;
  readonly querystring?: Schema<unknown>;
  readonly headers?: Schema<unknown>;
  readonly body?: unknown;
  readonly response: Readonly<Record<string, unknown>>;
}

export const Bytes: Schema<string> = Type.String({ format: "binary", title: "The value's bytes" });

/** An answer, or a body, of one media type. */
export function content(
  type: string,
  schema: Schema<unknown>,
  description: string = schemaTitle(schema),
): object {
  return { description, content: { [type]: { schema } } };
}

function schemaTitle(schema: Schema<unknown>): string {
  return "title" in schema && typeof schema.title === "string" ? schema.title : "";
}

/** What any route may answer instead. */
export const problems: { readonly "4xx": unknown; readonly "5xx": unknown } = {
  "4xx": content(MEDIA_TYPES.problem, Problem),
  "5xx": content(MEDIA_TYPES.problem, Problem),
};
