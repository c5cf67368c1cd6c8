/** What a route is made of: OpenAPI and the router get the same. */
import { MEDIA_TYPES, Problem } from "@hearsay/api";
import type { HTTPMethods } from "fastify";
import Type, { type TSchema } from "typebox";
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
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly headers?: TSchema;
  readonly body?: unknown;
  readonly response: Readonly<Record<string, unknown>>;
}

export const Bytes: TSchema = Type.String({ format: "binary", title: "The value's bytes" });

/** An answer, or a body, of one media type. */
export function content(type: string, schema: TSchema, description: string = schemaTitle(schema)): unknown {
  return { description, content: { [type]: { schema } } };
}

function schemaTitle(schema: TSchema): string {
  return "title" in schema && typeof schema.title === "string" ? schema.title : "";
}

/** What any route may answer instead. */
export const problems: { readonly "4xx": unknown; readonly "5xx": unknown } = {
  "4xx": content(MEDIA_TYPES.problem, Problem),
  "5xx": content(MEDIA_TYPES.problem, Problem),
};
