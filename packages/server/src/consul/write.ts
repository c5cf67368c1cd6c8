/**
 * `PUT` and `DELETE /v1/kv/{key}`. `cas` compares with what this node holds when the write is made: exact on one node, no
 * agreement of the cluster. It replaces what its index names; conflicts beside that stay.
 */
import type { ClientContext } from "@hearsay/core";
import type { Content, Written } from "@hearsay/node";
import { readBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import { parseConsulTarget } from "../http/target.ts";
import type { Services } from "../services.ts";
import { ConsulRefusal, notSupported } from "./answers.ts";
import { entryOf, seenAt } from "./entry.ts";
import { contentTypeWith, parseFlags } from "./flags.ts";
import { demandLeader } from "./leadership.ts";
import { entries } from "./read.ts";

export interface ConsulWrite {
  readonly key: string;
  /** Undefined deletes. */
  readonly value: { readonly bytes: Uint8Array; readonly flags: string } | undefined;
  /** Undefined: it covers all this node holds. */
  readonly seen: ClientContext | undefined;
}

/** Deletions that are committed as one. */
const DELETE_CHUNK = 1_000;

export async function putConsulKey(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const { key, parameters } = parseConsulTarget(exchange.target);
  if (key === "") throw new ConsulRefusal(400, "Missing key name");
  for (const lock of ["acquire", "release"]) if (parameters?.has(lock)) throw notSupported(lock);
  const flags = parseFlags(parameters?.get("flags") || "0");
  if (flags === undefined)
    throw new ConsulRefusal(400, "Invalid flags: a decimal number of 64 bits is needed");
  const cas = parseCas(parameters?.get("cas"));
  if (cas !== undefined) demandLeader(services);
  const { bytes, release } = await bodyOf(services, exchange, "limits.maxValueBytes");
  try {
    const held = cas === undefined ? undefined : heldOf(services, key, cas);
    const isDone = held === undefined || held.index === cas;
    if (isDone) await writeAll(services, [{ key, value: { bytes, flags }, seen: held?.seen }]);
    exchange.jsonText(200, String(isDone));
  } finally {
    release();
  }
}

export async function deleteConsulKey(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const { key, parameters } = parseConsulTarget(exchange.target);
  if (parameters?.has("recurse")) {
    if (parameters.has("cas")) throw new ConsulRefusal(400, "Conflicting flags: cas and recurse");
    // It would delete what this node has by chance.
    demandLeader(services);
    await deleteTree(services, key);
    return exchange.jsonText(200, "true");
  }
  if (key === "") throw new ConsulRefusal(400, "Missing key name");
  const cas = parseCas(parameters?.get("cas"));
  if (cas !== undefined) demandLeader(services);
  const held = cas === undefined ? undefined : heldOf(services, key, cas);
  const isCurrent = held === undefined || held.index === cas;
  if (isCurrent) await writeAll(services, [{ key, value: undefined, seen: held?.seen }]);
  // What is not there is deleted, whatever the index.
  exchange.jsonText(200, String(isCurrent || held.index === 0));
}

async function deleteTree(services: Services, prefix: string): Promise<void> {
  let keys: string[] = [];
  const flush = async (): Promise<void> => {
    await writeAll(
      services,
      keys.map((key) => ({ key, value: undefined, seen: undefined })),
    );
    keys = [];
  };
  for await (const { key } of entries(services, { key: prefix, isPrefix: true })) {
    keys.push(key);
    if (keys.length === DELETE_CHUNK) await flush();
  }
  await flush();
}

/** Makes all writes in this turn, so that they are committed as one, and settles when they are durable. */
export async function writeAll(services: Services, writes: readonly ConsulWrite[]): Promise<Written[]> {
  // The node may have begun to leave while the body came.
  services.cluster.admitWrite();
  for (const { seen } of writes) {
    const drift = seen === undefined ? undefined : services.node.observeContext(seen);
    if (drift !== undefined) throw clockDrift(drift);
  }
  const made: Written[] = [];
  try {
    for (const write of writes) made.push(writeNow(services, write));
  } catch (error) {
    // Those before it are on their way: if they fail as well, somebody has to hear of it.
    await Promise.allSettled(made.map(({ committed }) => committed));
    throw error;
  }
  await Promise.all(made.map(({ committed }) => committed));
  for (const { key } of writes) services.cluster.spread(key);
  return made;
}

function writeNow({ node }: Services, { key, value, seen }: ConsulWrite): Written {
  const content: Content =
    value === undefined
      ? { kind: "tombstone" }
      : { kind: "value", bytes: value.bytes, contentType: contentTypeWith(value.flags), ttlMs: null };
  const written = node.write(key, content, seen);
  if ("code" in written) throw clockDrift(written);
  return written;
}

/** Zero: only if there is no value. @throws ConsulRefusal */
function parseCas(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,19}$/.test(text)) throw new ConsulRefusal(400, "Invalid cas value");
  return Number(text);
}

/** The index, 0 for a key without a value, is that of the newest write of this node, also of one that is not committed yet. */
function heldOf(
  { node, clock }: Services,
  key: string,
  cas: number,
): { readonly index: number; readonly seen: ClientContext | undefined } {
  const record = node.latest(key);
  const nowMs = clock.nowMs();
  return { index: entryOf(key, record, nowMs)?.modifyIndex ?? 0, seen: seenAt(cas, record, nowMs) };
}

/** @param knob the limit of the body */
export function bodyOf(
  services: Services,
  exchange: Exchange,
  knob: "limits.maxValueBytes" | "limits.maxBatchBytes",
): Promise<{ readonly bytes: Uint8Array; release(): void }> {
  const limit = { maxBytes: services.settings[knob], knob };
  return new Promise((resolve, reject) => {
    readBody(exchange.raw, limit, services.budget, (problem, bytes, taken) => {
      if (problem === undefined) resolve({ bytes, release: () => services.budget.release(taken) });
      else reject(problem);
    });
  });
}
