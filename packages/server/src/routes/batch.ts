/**
 * `POST /kv`: several operations at once. Everything is checked first; then all reads and writes happen in one
 * synchronous turn, which the store commits as one batch. Reads see what was committed before the batch.
 */
import type { IncomingHttpHeaders } from "node:http";
import { type BatchOutcome, BatchQuery } from "@hearsay/api";
import { formatVersion, type Version, winner } from "@hearsay/core";
import type { Written } from "@hearsay/node";
import { readBody } from "../http/body.ts";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import { type AckWish, parseAck, queryValidator } from "../http/query.ts";
import { contextText, listItem, recordContext } from "../http/render.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { bodyDecoder, type CheckedOperation, checkedOperations, type WriteOperation } from "./batch-body.ts";
import { untilAllHeld } from "./until-held.ts";

const batchQuery = queryValidator(BatchQuery);

export function postBatch(services: Services, exchange: Exchange): void {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const query = targetQuery(exchange.target);
  batchQuery.check(query);
  const ack = parseAck(query, services.cluster.size);
  const maxValueBytes = services.settings["limits.maxValueBytes"];
  const decode = bodyDecoder(exchange.headers, {
    maxBytes: services.settings["limits.maxBatchBytes"],
    maxValueBytes,
  });
  const minimal = prefersMinimal(exchange.headers);
  const limit = { maxBytes: services.settings["limits.maxBatchBytes"], knob: "limits.maxBatchBytes" };
  readBody(exchange.raw, limit, services.budget, (problem, bytes, taken) => {
    if (problem !== undefined) {
      exchange.fail(problem);
      return;
    }
    let leave: (() => void) | undefined;
    const enterReads = (): void => {
      leave = services.gate.enterReads();
    };
    const run = () =>
      runBatch(services, () => checkedOperations(decode(bytes), maxValueBytes), { ack, minimal, enterReads });
    (exchange.headers["hearsay-after"] === undefined ? run() : untilAllHeld(services, exchange).then(run))
      .then(
        (text) => {
          if (text === undefined) exchange.send(204, ["Preference-Applied", "return=minimal"], undefined);
          else exchange.jsonText(200, text);
          return leave === undefined ? undefined : exchange.taken();
        },
        (error: unknown) => exchange.fail(error),
      )
      .finally(() => {
        leave?.();
        services.budget.release(taken);
      });
  });
}

interface BatchWish {
  readonly ack: AckWish | undefined;
  /** Nobody wants to know the versions of the writes. */
  readonly minimal: boolean;
  /** Called where values are read. @throws ApiProblem `overloaded` */
  enterReads(): void;
}

interface Applied {
  /** What the answer says of each operation, as JSON, of writes without its end; undefined when it says nothing. */
  readonly outcomes: string[] | undefined;
  readonly writes: readonly KeyVersion[];
  /** All writes of one turn are committed together, and share their promise. */
  readonly commits: ReadonlySet<Promise<void>>;
  /** What came up half way: nothing is answered but this, and only once what was written is settled. */
  readonly fault: unknown;
}

/** @returns the answer as JSON; undefined when nothing but success was wanted to be known */
async function runBatch(
  services: Services,
  check: () => CheckedOperation[],
  wish: BatchWish,
): Promise<string | undefined> {
  // The operations are not kept beyond this: they would live until the commit, and be moved by the garbage collector.
  const { outcomes, writes, commits, fault } = apply(services, check(), wish);
  if (fault !== undefined) {
    await Promise.allSettled(commits);
    throw fault;
  }
  await within(Promise.all(commits), wish.ack);
  const acks = await handOn(services, writes, wish.ack);
  if (outcomes === undefined) return undefined;
  for (const [i, { at }] of writes.entries()) outcomes[at] += `${acks?.[i] ?? 1}}`;
  return `{"results":[${outcomes.join(",")}]}`;
}

/** Checks, reads and writes, all in one synchronous turn: among others, that this node has not begun to leave meanwhile. */
function apply(services: Services, operations: readonly CheckedOperation[], wish: BatchWish): Applied {
  services.cluster.admitWrite();
  const reads = operations.some(({ op }) => op === "get");
  if (reads) wish.enterReads();
  const read = { bytes: 0 };
  const answers = operations.map((operation) => before(services, operation, read));
  const outcomes = wish.minimal && !reads ? undefined : answers;
  const commits = new Set<Promise<void>>();
  const writes: KeyVersion[] = [];
  try {
    for (const [i, operation] of operations.entries()) {
      if (operation.op === "get") continue;
      const written = services.node.write(operation.key, operation.content, operation.seen);
      if ("code" in written) throw clockDrift(written);
      commits.add(written.committed);
      writes.push({ at: i, key: operation.key, version: written.version });
      if (outcomes !== undefined) outcomes[i] = writeOutcome(operation, written);
    }
  } catch (fault) {
    return { outcomes, writes, commits, fault };
  }
  return { outcomes, writes, commits, fault: undefined };
}

/** RFC 7240, section 4.2. */
function prefersMinimal(headers: IncomingHttpHeaders): boolean {
  const { prefer } = headers;
  return prefer !== undefined && /(?:^|,)\s*return\s*=\s*"?minimal"?\s*(?:[;,]|$)/i.test(String(prefer));
}

interface KeyVersion {
  /** Of its operation in the batch. */
  readonly at: number;
  readonly key: string;
  readonly version: Version;
}

/**
 * Hands committed writes on to the other members and, where that is asked for, waits until enough hold all of them.
 * @returns how many hold each; undefined where nobody asked
 */
async function handOn(
  services: Services,
  writes: readonly KeyVersion[],
  ack: AckWish | undefined,
): Promise<readonly number[] | undefined> {
  const { cluster } = services;
  if (ack === undefined || ack.needed <= 1) {
    for (const { key } of writes) cluster.spread(key);
    return undefined;
  }
  const acknowledged = await Promise.all(
    writes.map(({ key, version }) => cluster.acknowledged(key, version, ack.needed, ack.timeoutMs)),
  );
  const holders = acknowledged.map((one) => one.holders);
  const acks = Math.min(...holders);
  if (acks < cluster.enoughFor(ack)) throw new ApiProblem("ack_timeout", { members: { acks } });
  return holders;
}

/**
 * Answers a read, and throws what would stop a write: nothing may be written before all of it is known to be possible.
 * @param read the bytes of the values that the batch has read so far
 * @returns JSON; empty for a write
 */
function before(services: Services, operation: CheckedOperation, read: { bytes: number }): string {
  if (operation.op === "get") {
    const outcome = readOutcome(services, operation.key, read.bytes);
    if (outcome.found) read.bytes += outcome.size;
    return JSON.stringify(outcome);
  }
  const drift = operation.seen === undefined ? undefined : services.node.observeContext(operation.seen);
  if (drift !== undefined) throw clockDrift(drift);
  services.node.latest(operation.key);
  return "";
}

/** @throws ApiProblem `body_too_large` where the answer is as large as a page already: it is built in one go, too */
function readOutcome(
  services: Services,
  key: string,
  readBytes: number,
): Extract<BatchOutcome, { readonly op: "get" }> {
  const maxBytes = services.settings["limits.maxPageBytes"];
  if (readBytes >= maxBytes) {
    throw new ApiProblem("body_too_large", {
      detail: `The values it reads have more than ${maxBytes} bytes (limits.maxPageBytes): read them in several batches.`,
      members: { maxBytes },
    });
  }
  const record = services.node.get(key);
  if (record === undefined) return { op: "get", key, found: false, deleted: false };
  const item = listItem(key, record, { nowMs: services.clock.nowMs(), values: true });
  const context = recordContext(record);
  if (item?.value === undefined) {
    return {
      op: "get",
      key,
      found: false,
      deleted: true,
      version: formatVersion(winner(record).version),
      context,
      ...(record.siblings.length > 1 ? { conflicts: record.siblings.length - 1 } : {}),
    };
  }
  return { op: "get", found: true, context, ...item, value: item.value };
}

/** A `BatchOutcome` up to how many hold it. Versions and contexts are plain ASCII without quotes; only the key needs escaping. */
function writeOutcome({ op, key }: WriteOperation, written: Written): string {
  const version = formatVersion(written.version);
  const context = contextText(written.context, written.version, version);
  return `{"op":"${op}","key":${JSON.stringify(key)},"version":"${version}","context":"${context}","acks":`;
}

/** @throws ApiProblem `ack_timeout` when it takes longer than was asked for */
async function within(committed: Promise<unknown>, ack: AckWish | undefined): Promise<void> {
  if (ack === undefined) {
    await committed;
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiProblem("ack_timeout", { members: { acks: 0 } })), ack.timeoutMs);
  });
  try {
    await Promise.race([committed, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
