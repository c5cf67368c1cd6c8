/**
 * Schemas of the contract, compiled. The only importer of typebox, and of no more than the part that checks values: the rest
 * would make a node's start a quarter longer.
 */
import type { Schema } from "@hearsay/api";
import { Validator } from "typebox/schema";

/** Checks values against one schema; its `Errors` says first whether there are none, then which. */
export function validatorOf<T>(schema: Schema<T>): Validator<Schema<T>, T> {
  return new Validator<Schema<T>, T>({}, schema);
}
