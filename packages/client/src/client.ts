import {
  BatchResult,
  type ConflictPage,
  DEFAULT_ENDPOINT,
  HEADERS,
  HistoryList,
  type ListItem,
  type ListPage,
  MEDIA_TYPES,
  Readiness,
  RestoreReport,
  SiblingList,
  WriteResult,
} from "@hearsay/api";
import { conflictsOf, parseMissing, type ReadResult, sourceOf, storedValue, versionOf } from "./answers.ts";
import { type BatchDraft, JsonDraft, MsgpackDraft, type Operation, toBytes } from "./batch.ts";
import { ClusterCalls } from "./cluster.ts";
import { conflictPages, listItems, listPages } from "./listing.ts";
import {
  ackQuery,
  type BatchOptions,
  type CallOptions,
  type ClientOptions,
  type DeleteOptions,
  type ListOptions,
  manyReadHeaders,
  only,
  type PutOptions,
  parseEndpoint,
  type ReadOptions,
  type RestoreOptions,
  readHeaders,
  repeatOfWrite,
  writeHeaders,
} from "./options.ts";
import { pathOf, withQuery } from "./path.ts";
import { defaultPlatform, type Platform } from "./platform.ts";
import { type Answered, requestJson, understoodOf } from "./requests.ts";
import { type Resolution, type ResolveCalls, resolveKey } from "./resolve.ts";
import { guard, parseAs } from "./schema.ts";
import { Session } from "./session.ts";
import { type Answer, type Call, Transport } from "./transport.ts";
import { type WatchEvent, type WatchOptions, watchEvents } from "./watch.ts";

const isWriteResult = guard<WriteResult>(WriteResult);
const isBatchResult = guard<BatchResult>(BatchResult);
const isSiblingList = guard<SiblingList>(SiblingList);
const isHistoryList = guard<HistoryList>(HistoryList);
const isReadiness = guard<Readiness>(Readiness);
const isRestoreReport = guard<RestoreReport>(RestoreReport);

/** Longer than Node's fetch waits for a connection, about 11 s: what is given up by it was not sent for certain. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** A node waits this long for acknowledgements at most before it answers; the client waits a little longer. */
const ACK_GRACE_MS = 2_000;

/**
 * Talks to one or more nodes of a cluster. Calls fail with {@link HearsayError}, or with the reason of the signal
 * that ended them.
 */
export class Client {
  /** The calls about the cluster as a whole. */
  readonly cluster: ClusterCalls;
  readonly #transport: Transport;
  readonly #platform: Platform;
  readonly #timeoutMs: number;
  readonly #batchFormat: "msgpack" | "json";

  /** @throws TypeError when an endpoint is no http or https base URL */
  constructor(options: ClientOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#batchFormat = options.batchFormat ?? "msgpack";
    this.#platform = { ...defaultPlatform, ...options.platform };
    this.#transport = new Transport({
      endpoints: (options.endpoints ?? [DEFAULT_ENDPOINT]).map(parseEndpoint),
      headers: options.headers ?? {},
      timeoutMs: this.#timeoutMs,
      retry: { rounds: 3, baseMs: 100, capMs: 3_000, ...options.retry },
      platform: this.#platform,
    });
    this.cluster = new ClusterCalls(this.#transport, this.#timeoutMs);
  }

  /** The winner of a key, or that there is none. */
  async get(key: string, options: ReadOptions = {}): Promise<ReadResult> {
    const call = this.#readCall(key, options, {});
    const expected = options.unlessVersion === undefined ? [404] : [304, 404];
    const answer = await this.#transport.send({ ...call, expected });
    if (answer.status === 304) return { kind: "unchanged", ...sourceOf(answer) };
    if (answer.status === 200) return this.#understood(answer, call, () => storedValue(answer));
    const { deleted, version } = this.#understood(answer, call, () => parseMissing(answer));
    return {
      kind: "missing",
      deleted,
      version: version ?? versionOf(answer.headers),
      context: answer.headers.get(HEADERS.context) ?? undefined,
      conflicts: conflictsOf(answer.headers),
      ...sourceOf(answer),
    };
  }

  /** Stores bytes, or text as UTF-8. */
  async put(
    key: string,
    value: Uint8Array | string,
    options: PutOptions = {},
  ): Promise<WriteResult & { readonly created: boolean }> {
    const fallback = typeof value === "string" ? "text/plain; charset=utf-8" : MEDIA_TYPES.octets;
    const call = this.#writeCall("PUT", key, options);
    const { answer, value: result } = await this.#json(
      {
        ...call,
        path: withQuery(call.path, { ttl: options.ttlMs === undefined ? undefined : `${options.ttlMs}ms` }),
        headers: { ...call.headers, "Content-Type": options.contentType ?? fallback },
        body: toBytes(value),
      },
      isWriteResult,
    );
    return { ...result, created: answer.status === 201 };
  }

  /** Writes a tombstone, also when the node has no value for the key. */
  async delete(key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    return (await this.#json(this.#writeCall("DELETE", key, options), isWriteResult)).value;
  }

  /**
   * Several operations, applied atomically on one node; the results are in the order of the operations, and none with
   * `results: "none"`.
   */
  async batch(
    operations: readonly Operation[] | BatchDraft,
    options: BatchOptions = {},
  ): Promise<BatchResult["results"]> {
    const draft = "body" in operations ? operations : this.#drafted(operations);
    const isQuiet = options.results === "none" && draft.reads === 0;
    return await this.#results(isQuiet, {
      method: "POST",
      path: withQuery("/kv", ackQuery(options)),
      headers: {
        ...manyReadHeaders(options),
        "Content-Type": draft.mediaType,
        Accept: MEDIA_TYPES.json,
        ...(isQuiet ? { Prefer: "return=minimal" } : undefined),
      },
      body: draft.body(),
      repeat: draft.reads === draft.size ? "read" : options.repeatUnknown === true ? "always" : "definite",
      onRepeatUnknown: options.onRepeatUnknown,
      ...this.#waiting(options),
    });
  }

  /** An empty batch, for those who come by its operations one at a time; {@link Client.batch} sends it. */
  draft(): BatchDraft {
    return this.#batchFormat === "msgpack" ? new MsgpackDraft() : new JsonDraft();
  }

  /** Pages of a listing, in the order of the keys' UTF-8 bytes. */
  pages(options: ListOptions = {}): AsyncGenerator<ListPage> {
    return listPages(this.#transport, options);
  }

  /**
   * All entries, streamed. A stream that breaks off is taken up again behind the last entry, on the next endpoint
   * if need be, so every key that stands throughout is seen exactly once.
   */
  list(options: ListOptions = {}): AsyncGenerator<ListItem> {
    return listItems(this.#transport, options);
  }

  /**
   * What happens under a prefix, from what is there already on, over as many connections and nodes as it takes; see
   * {@link WatchOptions}. Leave the loop or abort the signal to end it.
   */
  watch(options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    return watchEvents(this.#transport, options);
  }

  /** Reads through it see what was written and read through it before, on any node. */
  session(options: { readonly maxKeys?: number | undefined } = {}): Session {
    return new Session(this, options);
  }

  /** All siblings of a key, winner first. Rejects with `not_found` for a key the node knows nothing of. */
  async siblings(key: string, options: ReadOptions = {}): Promise<SiblingList> {
    return (await this.#json(this.#readCall(key, options, { siblings: "all" }), isSiblingList)).value;
  }

  /** The versions the node still has of a key, newest first. */
  async history(key: string, options: ReadOptions = {}): Promise<HistoryList> {
    return (await this.#json(this.#readCall(key, options, { history: "true" }), isHistoryList)).value;
  }

  /** Pages of the keys that have more than one sibling. */
  conflicts(options: Omit<ListOptions, "keysOnly"> = {}): AsyncGenerator<ConflictPage> {
    return conflictPages(this.#transport, options);
  }

  /**
   * Ends a conflict: reads the siblings and writes what `choose` makes of them, superseding just those. Rejects with
   * `not_found` for a key the node knows nothing of.
   */
  resolve(
    key: string,
    choose: (list: SiblingList) => Resolution | Promise<Resolution>,
    options: Pick<PutOptions, "signal" | "timeoutMs" | "ack" | "ackTimeoutMs"> = {},
  ): Promise<WriteResult> {
    const calls: ResolveCalls = {
      siblings: (of, read) => this.siblings(of, read),
      put: (to, value, write) => this.put(to, value, write),
      delete: (of, write) => this.delete(of, write),
      nowMs: () => this.#platform.nowMs(),
    };
    return resolveKey(calls, key, choose, options);
  }

  /** A consistent snapshot of the node, as its file format has it. Not taken up again when it breaks off. */
  async *snapshot(options: CallOptions = {}): AsyncGenerator<Uint8Array> {
    const answer = await this.#transport.stream({
      method: "GET",
      path: "/snapshot",
      mediaType: MEDIA_TYPES.snapshot,
      repeat: "read",
      ...only(options),
    });
    yield* answer.parts;
  }

  /**
   * Applies a snapshot. `open` gives its bytes from the start; it is called once for each attempt.
   * `timeoutMs` covers the whole call, as the node answers at the end; default: one hour.
   */
  async restore(open: () => ReadableStream<Uint8Array>, options: RestoreOptions): Promise<RestoreReport> {
    const call: Call = {
      method: "POST",
      path: withQuery("/restore", {
        mode: options.mode,
        "dry-run": options.dryRun === true ? "true" : undefined,
        revive: options.revive === true ? "true" : undefined,
      }),
      headers: { "Content-Type": MEDIA_TYPES.snapshot },
      body: open,
      repeat: options.dryRun === true ? "read" : "definite",
      timeoutMs: options.timeoutMs ?? 3_600_000,
      signal: options.signal,
    };
    return (await this.#json(call, isRestoreReport)).value;
  }

  /** Whether the node takes requests, with the checks behind it. Answers also when it is not ready. */
  async readiness(options: CallOptions = {}): Promise<Readiness> {
    const call: Call = {
      method: "GET",
      path: "/readyz?verbose",
      repeat: "read",
      expected: [503],
      ...only(options),
    };
    return (await this.#json(call, isReadiness)).value;
  }

  #readCall(key: string, options: ReadOptions, query: Readonly<Record<string, string>>): Call {
    return {
      method: "GET",
      path: withQuery(pathOf(key), { ...query, ...ackQuery(options) }),
      headers: readHeaders(options),
      repeat: "read",
      ...this.#waiting(options),
    };
  }

  #writeCall(method: "PUT" | "DELETE", key: string, options: PutOptions): Call {
    return {
      method,
      path: withQuery(pathOf(key), ackQuery(options)),
      headers: writeHeaders(options),
      repeat: repeatOfWrite(method, options),
      ...this.#waiting(options),
    };
  }

  #waiting(
    options: CallOptions & { readonly ackTimeoutMs?: number | undefined },
  ): Pick<Call, "signal" | "timeoutMs"> {
    const { ackTimeoutMs } = options;
    const forAcks = ackTimeoutMs === undefined ? 0 : ackTimeoutMs + ACK_GRACE_MS;
    return { signal: options.signal, timeoutMs: options.timeoutMs ?? Math.max(this.#timeoutMs, forAcks) };
  }

  /** Of a batch. A node may disregard that none are wanted, so they are left out here. */
  async #results(isQuiet: boolean, call: Call): Promise<BatchResult["results"]> {
    const answer = await this.#transport.send(call);
    if (answer.status === 204) return [];
    const { results } = this.#understood(answer, call, () => parseAs(answer.body, isBatchResult));
    return isQuiet ? [] : results;
  }

  #drafted(operations: readonly Operation[]): BatchDraft {
    const draft = this.draft();
    for (const operation of operations) draft.add(operation);
    return draft;
  }

  #understood<T>(answer: Answer, call: Call, read: () => T): T {
    return understoodOf(this.#transport, answer, call, read);
  }

  async #json<T>(call: Call, has: (value: unknown) => value is T): Promise<Answered<T>> {
    return await requestJson(this.#transport, call, has);
  }
}
