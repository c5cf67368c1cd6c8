/**
 * `PUT /v1/txn` for verbs on keys. All is checked against what this node holds, each operation after those before it; if
 * one fails nothing is written, else all writes are committed as one.
 */
import { type ClientContext, keyFault } from "@hearsay/core";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { fromBase64 } from "../http/render.ts";
import type { Services } from "../services.ts";
import type { ChangeLog } from "../watch/change-log.ts";
import { ConsulRefusal, notSupported } from "./answers.ts";
import { type Entry, entryJson, entryOf, seenAt } from "./entry.ts";
import { parseFlags } from "./flags.ts";
import { demandLeader } from "./leadership.ts";
import { entries } from "./read.ts";
import { bodyOf, type ConsulWrite, writeAll } from "./write.ts";

const MAX_OPERATIONS = 128;
/** Keys that one transaction may read or delete by prefix: they are written, or rendered, in one go. */
const MAX_TREE_KEYS = 10_000;

/** Verbs whose results have values. */
const READS: ReadonlySet<string> = new Set(["get", "get-or-empty", "get-tree"]);

const CHECKS: ReadonlySet<string> = new Set(["cas", "check-index", "check-not-exists", "delete-cas"]);

interface Operation {
  readonly verb: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly flags: string;
  readonly index: number;
}

export async function runConsulTxn(services: Services, exchange: Exchange): Promise<void> {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  demandLeader(services);
  const { bytes, release } = await bodyOf(services, exchange, "limits.maxBatchBytes");
  let leave: (() => void) | undefined;
  try {
    const operations = parseOperations(bytes, services.settings["limits.maxValueBytes"]);
    const { log } = services.watch;
    const begun = log.end;
    const trees = await readTrees(services, operations);
    // From here to the writes it is one turn, so that nothing comes between the checks and them.
    addChanged(log, begun, trees);
    if (operations.some(({ verb }) => READS.has(verb))) leave = services.gate.enterReads();
    const transaction = new Transaction(services, trees);
    for (const [i, operation] of operations.entries()) transaction.run(i, operation);
    if (transaction.errors.length > 0) {
      return exchange.jsonText(409, `{"Results":null,"Errors":${JSON.stringify(transaction.errors)}}`);
    }
    const writes = transaction.writes();
    const written = await writeAll(services, writes);
    const indexes = new Map(written.map(({ version }, i) => [writes[i]?.key ?? "", version.time]));
    const results = transaction.results.map(({ entry, withValue, isWritten }) => {
      const modifyIndex = isWritten ? (indexes.get(entry.key) ?? 0) : entry.modifyIndex;
      return `{"KV":${entryJson({ ...entry, modifyIndex }, withValue)}}`;
    });
    exchange.jsonText(200, `{"Results":[${results.join(",")}],"Errors":null}`);
    if (leave !== undefined) await exchange.taken();
  } finally {
    leave?.();
    release();
  }
}

interface Result {
  readonly entry: Entry;
  readonly withValue: boolean;
  /** By this transaction: its index is known once it is made. */
  readonly isWritten: boolean;
}

class Transaction {
  readonly errors: { readonly OpIndex: number; readonly What: string }[] = [];
  readonly results: Result[] = [];
  readonly #services: Services;
  readonly #trees: ReadonlyMap<string, readonly string[]>;
  /** As the operations before have left it; undefined where they deleted. */
  readonly #changed: Map<string, Entry | undefined> = new Map();
  #readBytes = 0;
  /** Of keys that were checked before they were changed. */
  readonly #seen: Map<string, ClientContext | undefined> = new Map();

  constructor(services: Services, trees: ReadonlyMap<string, readonly string[]>) {
    this.#services = services;
    this.#trees = trees;
  }

  /** The last one of each key. */
  writes(): ConsulWrite[] {
    return [...this.#changed].map(([key, value]) => ({ key, value, seen: this.#seen.get(key) }));
  }

  run(at: number, operation: Operation): void {
    const What = this.#apply(operation);
    if (What !== undefined) this.errors.push({ OpIndex: at, What });
  }

  /** @returns why it fails, in Consul's words */
  #apply(operation: Operation): string | undefined {
    const { verb, key, index } = operation;
    const held = this.#get(key);
    const isCurrent = index === (held?.modifyIndex ?? 0);
    if (CHECKS.has(verb)) this.#check(key, held?.modifyIndex ?? 0);
    switch (verb) {
      case "set":
        return this.#set(operation);
      case "cas":
        return isCurrent ? this.#set(operation) : `failed to set key "${key}", index is stale`;
      case "get":
        return held === undefined ? `key "${key}" doesn't exist` : this.#show(held, true);
      case "get-or-empty":
        return this.#show(held ?? emptyEntry(key), true);
      case "get-tree":
        return this.#getTree(key);
      case "check-index":
        if (held === undefined) return `failed to check index, key "${key}" doesn't exist`;
        return isCurrent
          ? this.#show(held, false)
          : `failed index check for key "${key}", current modify index ${held.modifyIndex} != ${index}`;
      case "check-not-exists":
        return held === undefined ? undefined : `key "${key}" exists`;
      case "delete":
        return this.#delete([key]);
      case "delete-cas":
        if (held === undefined) return undefined;
        return isCurrent ? this.#delete([key]) : `failed to delete key "${key}", index is stale`;
      case "delete-tree":
        return this.#delete(this.#tree(key).filter((found) => this.#get(found) !== undefined));
      default:
        return `unknown KV verb "${verb}"`;
    }
  }

  /** What is written to the key after that goes by its index, whichever operation writes it. */
  #check(key: string, index: number): void {
    const { node, clock } = this.#services;
    if (!this.#changed.has(key)) this.#seen.set(key, seenAt(index, node.latest(key), clock.nowMs()));
  }

  #getTree(prefix: string): undefined {
    for (const key of this.#tree(prefix).sort()) {
      const entry = this.#get(key);
      if (entry !== undefined) this.#show(entry, true);
    }
  }

  #delete(keys: readonly string[]): undefined {
    for (const key of keys) this.#changed.set(key, undefined);
  }

  #get(key: string): Entry | undefined {
    if (this.#changed.has(key)) return this.#changed.get(key);
    return entryOf(key, this.#services.node.latest(key), this.#services.clock.nowMs());
  }

  #set({ key, bytes, flags }: Operation): undefined {
    // No index is right for it any more.
    const entry: Entry = { key, bytes, flags, modifyIndex: -1 };
    this.#changed.set(key, entry);
    this.results.push({ entry, withValue: false, isWritten: true });
  }

  /** @throws ConsulRefusal where the answer is as large as a page already: it is built in one go, too */
  #show(entry: Entry, withValue: boolean): undefined {
    const maxBytes = this.#services.settings["limits.maxPageBytes"];
    if (withValue && this.#readBytes >= maxBytes) {
      const limit = `${maxBytes} bytes (limits.maxPageBytes)`;
      throw new ConsulRefusal(413, `Transaction reads values of more than ${limit}: read them in several`);
    }
    if (withValue) this.#readBytes += entry.bytes.length;
    this.results.push({ entry, withValue, isWritten: entry.modifyIndex === -1 });
  }

  #tree(prefix: string): string[] {
    const created = [...this.#changed.keys()].filter((key) => key.startsWith(prefix));
    return [...new Set([...(this.#trees.get(prefix) ?? []), ...created])];
  }
}

function emptyEntry(key: string): Entry {
  return { key, bytes: new Uint8Array(0), flags: "0", modifyIndex: 0 };
}

/** The keys of every prefix that is read or deleted: reading them takes more than a turn. @throws ConsulRefusal */
async function readTrees(
  services: Services,
  operations: readonly Operation[],
): Promise<ReadonlyMap<string, string[]>> {
  const uses = new Map<string, number>();
  for (const { verb, key } of operations)
    if (verb === "get-tree" || verb === "delete-tree") uses.set(key, (uses.get(key) ?? 0) + 1);
  const trees = new Map<string, string[]>();
  let count = 0;
  for (const [prefix, times] of uses) {
    const keys: string[] = [];
    for await (const { key } of entries(services, { key: prefix, isPrefix: true })) {
      keys.push(key);
      count += times;
      if (count > MAX_TREE_KEYS) {
        throw new ConsulRefusal(413, `Transaction touches more than ${MAX_TREE_KEYS} keys by prefix`);
      }
    }
    trees.set(prefix, keys);
  }
  return trees;
}

/**
 * What was committed while the keys were read may have been passed by already.
 * @param begun the end of the log before they were
 * @throws ApiProblem `overloaded` when more came than the log keeps
 */
function addChanged(log: ChangeLog, begun: number, trees: ReadonlyMap<string, string[]>): void {
  if (trees.size === 0) return;
  if (begun < log.start)
    throw new ApiProblem("overloaded", { detail: "Too much changes to read by prefix." });
  for (let position = begun; position < log.end; position++) {
    const key = log.at(position)?.key;
    if (key === undefined) continue;
    for (const [prefix, keys] of trees) if (key.startsWith(prefix)) keys.push(key);
  }
}

/** @throws ConsulRefusal */
function parseOperations(body: Uint8Array, maxValueBytes: number): Operation[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(withLongNumbersAsTexts(new TextDecoder("utf-8", { fatal: true }).decode(body)));
  } catch {
    throw new ConsulRefusal(400, "Failed to parse body: it is not JSON");
  }
  if (!Array.isArray(parsed)) throw new ConsulRefusal(400, "Failed to parse body: an array is needed");
  if (parsed.length > MAX_OPERATIONS) {
    const message = `Transaction contains too many operations (${parsed.length} > ${MAX_OPERATIONS})`;
    throw new ConsulRefusal(413, message);
  }
  return parsed.map((operation: unknown) => parseOperation(operation, maxValueBytes));
}

function parseOperation(operation: unknown, maxValueBytes: number): Operation {
  const kv = field(operation, "KV");
  if (typeof kv !== "object" || kv === null) {
    throw new ConsulRefusal(501, "Only KV operations are supported in a transaction");
  }
  const verb = String(field(kv, "Verb") ?? "").toLowerCase();
  if (["lock", "unlock", "check-session"].includes(verb)) throw notSupported(verb);
  const key = field(kv, "Key") ?? "";
  const isTree = verb === "get-tree" || verb === "delete-tree";
  if (typeof key !== "string" || (key === "" && !isTree)) throw new ConsulRefusal(400, "Missing key name");
  if (keyFault(key) !== undefined && key !== "") throw new ConsulRefusal(400, "Invalid key name");
  const value = field(kv, "Value") ?? "";
  const bytes = typeof value === "string" ? fromBase64(value) : undefined;
  if (bytes === undefined) throw new ConsulRefusal(400, "Failed to parse body: Value is not base64");
  if (bytes.length > maxValueBytes) {
    throw new ConsulRefusal(
      413,
      `Value for key "${key}" is too large (${bytes.length} > ${maxValueBytes} bytes)`,
    );
  }
  const flags = parseFlags(String(field(kv, "Flags") ?? 0));
  const index = Number(field(kv, "Index") ?? 0);
  if (flags === undefined || !Number.isSafeInteger(index) || index < 0) {
    throw new ConsulRefusal(400, "Failed to parse body: Flags and Index are whole numbers");
  }
  return { verb, key, bytes, flags, index };
}

/** Flags have 64 bits, of which JavaScript's numbers keep 53: longer ones become texts. A name within a text has `\"` behind it. */
function withLongNumbersAsTexts(json: string): string {
  return json.replaceAll(/("(?:flags|index)"\s*:\s*)(\d{16,})(?![\d.e])/gi, '$1"$2"');
}

/** Names are found whatever their case, as Go's decoder does. */
function field(object: unknown, name: string): unknown {
  if (typeof object !== "object" || object === null) return undefined;
  const found = Object.entries(object).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1] ?? undefined;
}
