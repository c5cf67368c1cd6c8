/** What happens in a run, as data: each at its time, and to a node that is chosen when it comes. */
import type { FaultKind } from "./faults.ts";
import type { RequestKind } from "./requests.ts";

/** What a client does; where it takes its context from: what it reads now, what it read once, or nowhere. */
export interface Operation {
  readonly kind: "operation";
  readonly atMs: number;
  readonly client: number;
  readonly does: "put" | "delete" | "expire" | "resolve" | "read" | "fetch";
  readonly key: string;
  readonly context: "fresh" | "stale" | "empty" | "none";
  /** Stands for the node, by its part of 1. */
  readonly node: number;
  readonly ttlMs: number;
  readonly bytes: number;
  readonly acks: number;
}

export interface Request {
  readonly kind: "request";
  readonly atMs: number;
  readonly request: RequestKind;
  readonly key: string;
  /** Stands for the node, by its part of 1. */
  readonly node: number;
  /** How much of it, from 0 to 1. */
  readonly strength: number;
}

export interface Fault {
  readonly kind: "fault";
  readonly atMs: number;
  readonly fault: FaultKind;
  readonly durationMs: number;
  /** Stand for nodes, by their part of 1. */
  readonly node: number;
  readonly other: number;
  /** How hard it strikes, from 0 to 1. */
  readonly strength: number;
}

export type Action = Operation | Request | Fault;
