import {
  ClusterStatus,
  ConvergenceReport,
  DiffReport,
  ForgetReport,
  formatDurationMs,
  GhostDiscarded,
  GhostReport,
  JoinReport,
  LeaveReport,
  MEDIA_TYPES,
  ReceiptReport,
  RepairLine,
  SafeToStopReport,
  TombstoneReport,
} from "@hearsay/api";
import { understood, understoodLines } from "./answers.ts";
import { HearsayError } from "./fault.ts";
import { type CallOptions, only } from "./options.ts";
import { mustBeWellFormed, withQuery } from "./path.ts";
import { requestJson } from "./requests.ts";
import { guard, parseAs } from "./schema.ts";
import type { Answer, Call, Transport } from "./transport.ts";

const isClusterStatus = guard<ClusterStatus>(ClusterStatus);
const isConvergenceReport = guard<ConvergenceReport>(ConvergenceReport);
const isReceiptReport = guard<ReceiptReport>(ReceiptReport);
const isDiffReport = guard<DiffReport>(DiffReport);
const isRepairLine = guard<RepairLine>(RepairLine);
const isJoinReport = guard<JoinReport>(JoinReport);
const isLeaveReport = guard<LeaveReport>(LeaveReport);
const isForgetReport = guard<ForgetReport>(ForgetReport);
const isTombstoneReport = guard<TombstoneReport>(TombstoneReport);
const isGhostReport = guard<GhostReport>(GhostReport);
const isGhostDiscarded = guard<GhostDiscarded>(GhostDiscarded);
const isSafeToStopReport = guard<SafeToStopReport>(SafeToStopReport);

/** A node may wait as long as it was asked to; the client waits a little longer. */
const GRACE_MS = 2_000;
/** Comparing and handing over take as long as there is to compare and to hand over. */
const WORK_TIMEOUT_MS = 120_000;
const LINE_MAX_LENGTH = 1024 * 1024;

export interface ReceiptOptions extends CallOptions {
  /** Answer when every member holds the version, or after so many milliseconds. */
  readonly waitMs?: number | undefined;
}

export interface DiffOptions extends CallOptions {
  /** Keys that are named; all that differ are counted. */
  readonly limit?: number | undefined;
}

export interface RepairOptions extends CallOptions {
  /** An id, or a name that is unique; every live member without. */
  readonly peer?: string | undefined;
}

export interface GhostOptions extends CallOptions {
  /** Versions that are listed; all are counted. */
  readonly limit?: number | undefined;
  readonly key?: string | undefined;
  /** With `key`: only this one. */
  readonly version?: string | undefined;
}

/** The calls about the cluster as one node knows it, and about that node's place in it. */
export class ClusterCalls {
  readonly #transport: Transport;
  readonly #timeoutMs: number;

  constructor(transport: Transport, timeoutMs: number) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
  }

  /** The members, the totals and the watermark. */
  async status(options: CallOptions = {}): Promise<ClusterStatus> {
    return await this.#get("/cluster", isClusterStatus, only(options));
  }

  /** Whether all members hold the same. */
  async convergence(options: CallOptions = {}): Promise<ConvergenceReport> {
    return await this.#get("/cluster/convergence", isConvergenceReport, only(options));
  }

  /** Which members hold a version. */
  async receipt(key: string, version: string, options: ReceiptOptions = {}): Promise<ReceiptReport> {
    const { waitMs } = options;
    const wait = waitMs === undefined ? {} : { wait: "all", timeout: formatDurationMs(waitMs) };
    const timeoutMs = options.timeoutMs ?? Math.max(this.#timeoutMs, (waitMs ?? 0) + GRACE_MS);
    const path = withQuery("/cluster/receipt", { key, version, ...wait });
    return await this.#get(path, isReceiptReport, { signal: options.signal, timeoutMs });
  }

  /** The keys in which the asked node and a peer differ, as both are now; repairs nothing. */
  async diff(peer: string, options: DiffOptions = {}): Promise<DiffReport> {
    const path = withQuery("/cluster/diff", { peer, limit: options.limit });
    return await this.#get(path, isDiffReport, working(options));
  }

  /** Exchanges now, and tells how it goes: the last line has the event `end`. */
  async *repair(options: RepairOptions = {}): AsyncGenerator<RepairLine> {
    const { peer } = options;
    const call: Call = {
      ...post("/cluster/repair", peer === undefined ? {} : { peer }),
      repeat: "read",
      ...working(options),
    };
    const answer = await this.#transport.stream(call);
    for await (const text of understoodLines(answer, call, LINE_MAX_LENGTH)) {
      const line = understood(answer, call, () => parseAs(text, isRepairLine));
      yield line;
      if (line.event === "end") return;
    }
    throw brokenOff(answer);
  }

  /** Makes the first endpoint's node, which must be alone, a member of the cluster of the node at HOST:PORT. */
  async join(address: string, options: CallOptions = {}): Promise<JoinReport> {
    return await this.#post("/cluster/join", { address }, isJoinReport, options);
  }

  /** Makes the first endpoint's node leave for good; its process ends. */
  async leave(options: CallOptions = {}): Promise<LeaveReport> {
    return await this.#post("/cluster/leave", {}, isLeaveReport, options);
  }

  /**
   * Retires the id of a member that is down, for good. Without `confirm` it rejects with `confirmation_needed`, and
   * the problem's detail says what may be lost.
   */
  async forget(
    node: string,
    options: CallOptions & { readonly confirm?: boolean } = {},
  ): Promise<ForgetReport> {
    const body = options.confirm === true ? { node, confirm: true } : { node };
    const call: Call = { ...post("/cluster/forget", body), repeat: "definite", ...only(options) };
    return (await requestJson(this.#transport, call, isForgetReport)).value;
  }

  /** How many deletions are kept, the oldest of them, and which members hold their removal back. */
  async tombstones(
    options: CallOptions & { readonly limit?: number | undefined } = {},
  ): Promise<TombstoneReport> {
    const path = withQuery("/cluster/tombstones", { limit: options.limit });
    return await this.#get(path, isTombstoneReport, only(options));
  }

  /** Versions that were deleted, came back and are kept aside on the first endpoint's node; of one that is named, its value. */
  async ghosts(options: GhostOptions = {}): Promise<GhostReport> {
    const { limit, key, version } = options;
    const path = withQuery("/cluster/ghosts", { limit, key, version });
    return await this.#get(path, isGhostReport, { ...only(options), pinned: true });
  }

  /** Has the first endpoint's node forget one of them for good; rejects with `ghost_not_found` when it has none such. */
  async discardGhost(key: string, version: string, options: CallOptions = {}): Promise<GhostDiscarded> {
    mustBeWellFormed(key);
    return await this.#post("/cluster/ghosts/discard", { key, version }, isGhostDiscarded, options);
  }

  /** Whether the first endpoint's node may stop without a write becoming unavailable. */
  async safeToStop(options: CallOptions = {}): Promise<SafeToStopReport> {
    return await this.#get("/cluster/safe-to-stop", isSafeToStopReport, { ...only(options), pinned: true });
  }

  async #get<T>(
    path: string,
    has: (value: unknown) => value is T,
    options: Pick<Call, "signal" | "timeoutMs" | "pinned">,
  ): Promise<T> {
    const call: Call = { method: "GET", path, repeat: "read", ...options };
    return (await requestJson(this.#transport, call, has)).value;
  }

  /** Of the asked node itself: another one must not do it in its place. */
  async #post<T>(
    path: string,
    body: object,
    has: (value: unknown) => value is T,
    options: CallOptions,
  ): Promise<T> {
    const call: Call = { ...post(path, body), repeat: "definite", pinned: true, ...working(options) };
    return (await requestJson(this.#transport, call, has)).value;
  }
}

const encoder = new TextEncoder();

function post(path: string, body: object): Pick<Call, "method" | "path" | "headers" | "body"> {
  const headers = { "Content-Type": MEDIA_TYPES.json };
  return { method: "POST", path, headers, body: encoder.encode(JSON.stringify(body)) };
}

function working({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs: timeoutMs ?? WORK_TIMEOUT_MS };
}

function brokenOff({ endpoint, status }: Answer): HearsayError {
  return new HearsayError(
    { code: "bad_answer", endpoint, status, reason: "it broke off before its end" },
    { outcome: "none", attempts: 1 },
  );
}
