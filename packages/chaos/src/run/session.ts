/** One client that works through its plan, one operation at a time, and records each. */
import { type Client, fromBase64, HearsayError } from "@hearsay/client";
import type { OperationEvent, SeenSibling } from "../history/events.ts";
import type { PlannedOperation, SessionPlan } from "../workload/session-plan.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";
import type { Target, Targets } from "./target.ts";

const ACK_TIMEOUT_MS = 2_000;
/** A session that fell behind its plan by more than this does not make up for it. */
const BEHIND_MAX_MS = 2_000;

export interface SessionParts {
  readonly session: number;
  readonly plan: SessionPlan;
  readonly targets: Targets;
  readonly recorder: Recorder;
  /** Names the run, in keys and values. */
  readonly run: string;
}

/** What an operation has seen of a key, to write with later. */
interface KnownContext {
  readonly index: number;
  /** Undefined: there was no record, so there is nothing to replace. */
  readonly text: string | undefined;
}

type Common = Pick<OperationEvent, "type" | "index" | "session" | "node" | "startMs" | "key">;

export class Session {
  readonly #parts: SessionParts;
  readonly #own: string[] = [];
  readonly #contexts: Map<string, KnownContext> = new Map();
  #last: { readonly key: string; readonly version: string } | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Settles when the signal was aborted and the operation under way is over. */
  async run(signal: AbortSignal): Promise<void> {
    const { plan, recorder } = this.#parts;
    let dueMs = recorder.nowMs();
    while (!signal.aborted) {
      const planned = plan.next();
      dueMs = Math.max(dueMs + planned.afterMs, recorder.nowMs() - BEHIND_MAX_MS);
      await pause(dueMs - recorder.nowMs(), signal);
      if (!signal.aborted) await this.#perform(planned);
    }
  }

  async #perform(planned: PlannedOperation): Promise<void> {
    const target = this.#parts.targets.at(planned.node);
    const { keys } = planned.spec;
    const last = this.#last;
    if (keys === "last") {
      if (last === undefined) return;
      if (planned.spec.do === "receipt") await this.#receipt(target, last);
      else await this.#read(target, last.key, last.version);
      return;
    }
    const key = keys === "own" ? this.#pickOwn(planned) : `chaos/${this.#parts.run}/${planned.key}`;
    if (key === undefined) return;
    if (planned.spec.do === "get") await this.#read(target, key);
    else await this.#write(target, key, planned);
  }

  /** A key that is deleted is no longer among them. */
  #pickOwn({ pick, spec }: PlannedOperation): string | undefined {
    const at = Math.floor(pick * this.#own.length);
    return spec.do === "delete" ? this.#own.splice(at, 1)[0] : this.#own[at];
  }

  async #write(target: Target, key: string, { spec, bytes }: PlannedOperation): Promise<void> {
    const context = await this.#contextFor(target, key, spec.context);
    if (context === "unreadable") return;
    const common = this.#begin(target, key);
    const value = spec.do === "put" ? this.#valueOf(common.index, bytes) : undefined;
    const { ack, ttlMs } = spec;
    const contentType = value === undefined ? undefined : `text/plain; write=${common.index}`;
    const options = {
      contentType,
      ...(context === undefined ? undefined : { context: context.text ?? "" }),
      ...(ack === undefined ? undefined : { ack, ackTimeoutMs: ACK_TIMEOUT_MS }),
    };
    const facts = {
      ...common,
      do: value === undefined ? ("delete" as const) : ("put" as const),
      value,
      contentType,
      ttlMs: value === undefined ? undefined : ttlMs,
      ack,
      context:
        context === undefined ? undefined : context.text === undefined ? ("empty" as const) : context.index,
    };
    const client = this.#client(target);
    const { recorder } = this.#parts;
    try {
      const result =
        value === undefined
          ? await client.delete(key, options)
          : await client.put(key, value, ttlMs === undefined ? options : { ...options, ttlMs });
      const { version, acks } = result;
      recorder.record({ ...facts, endMs: recorder.nowMs(), outcome: "ok", version, acks });
      this.#contexts.set(key, { index: common.index, text: result.context });
      this.#last = { key, version };
      if (spec.keys === "once") this.#own.push(key);
    } catch (error) {
      recorder.record({ ...facts, endMs: recorder.nowMs(), ...failureOf(error) });
    }
  }

  async #contextFor(
    target: Target,
    key: string,
    wish: PlannedOperation["spec"]["context"],
  ): Promise<KnownContext | "unreadable" | undefined> {
    if (wish === "none") return undefined;
    if (wish === "empty") return { index: -1, text: undefined };
    const known = wish === "stale" ? this.#contexts.get(key) : undefined;
    return known ?? (await this.#readAll(target, key));
  }

  /** All siblings, for a write that replaces them. */
  async #readAll(target: Target, key: string): Promise<KnownContext | "unreadable"> {
    const { recorder } = this.#parts;
    const common = this.#begin(target, key);
    const { client, answeredBy } = this.#parts.targets.witness(target);
    const seen = await readSiblings(client, key).catch(failureOf);
    if ("code" in seen) {
      recorder.record({ ...common, do: "get", endMs: recorder.nowMs(), ...seen });
      return "unreadable";
    }
    const { siblings, context } = seen;
    const id = answeredBy();
    recorder.record({ ...common, do: "get", endMs: recorder.nowMs(), outcome: "ok", id, siblings });
    const known = { index: common.index, text: context };
    this.#contexts.set(key, known);
    return known;
  }

  async #read(target: Target, key: string, after?: string): Promise<void> {
    const { recorder } = this.#parts;
    const common = { ...this.#begin(target, key), do: "get" as const, after };
    try {
      const found = await this.#client(target).get(key, { after, ackTimeoutMs: ACK_TIMEOUT_MS });
      const endMs = recorder.nowMs();
      const siblings: SeenSibling[] =
        found.kind === "unchanged" || found.version === undefined ? [] : [{ version: found.version }];
      if (found.kind === "value")
        siblings[0] = {
          version: found.version,
          value: new TextDecoder().decode(found.bytes),
          contentType: found.contentType,
        };
      const throughMs = found.completeThrough?.getTime();
      const completeThroughMs = Number.isNaN(throughMs) ? null : throughMs;
      recorder.record({ ...common, endMs, outcome: "ok", id: found.node, siblings, completeThroughMs });
      if (found.kind !== "unchanged") this.#contexts.set(key, { index: common.index, text: found.context });
    } catch (error) {
      recorder.record({ ...common, endMs: recorder.nowMs(), ...failureOf(error) });
    }
  }

  async #receipt(
    target: Target,
    { key, version }: { readonly key: string; readonly version: string },
  ): Promise<void> {
    const { recorder } = this.#parts;
    const common = { ...this.#begin(target, key), do: "receipt" as const, version };
    try {
      const report = await this.#client(target).cluster.receipt(key, version);
      const holders = report.holders.map(({ id }) => id);
      const lacking = report.lacking.map(({ id }) => id);
      const { everywhere, complete } = report;
      const said = { holders, lacking, everywhere, complete };
      recorder.record({ ...common, endMs: recorder.nowMs(), outcome: "ok", ...said });
    } catch (error) {
      recorder.record({ ...common, endMs: recorder.nowMs(), ...failureOf(error) });
    }
  }

  #begin(target: Target, key: string): Common {
    const { recorder, session } = this.#parts;
    const index = recorder.nextIndex();
    return { type: "op", index, session, node: target.name, startMs: recorder.nowMs(), key };
  }

  #client(target: Target): Client {
    return this.#parts.targets.client(target);
  }

  /** No other write has the same one. */
  #valueOf(index: number, bytes: number): string {
    const name = `${this.#parts.run}.${index}.`;
    return name.padEnd(bytes, FILLER);
  }
}

const FILLER = "abcdefghijklmnopqrstuvwxyz0123456789";

interface Failure extends Pick<OperationEvent, "status" | "reason"> {
  readonly code: string;
  /** Always `none` for reads. */
  readonly outcome: "none" | "unknown";
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof HearsayError)) throw error;
  const { code, outcome, fault } = error;
  if (fault.code === "problem") return { code, outcome, status: fault.problem.status };
  if (fault.code !== "bad_answer") return { code, outcome };
  return { code, outcome, status: fault.status, reason: fault.reason };
}

/** @throws HearsayError */
export async function readSiblings(
  client: Client,
  key: string,
): Promise<{ readonly siblings: readonly SeenSibling[]; readonly context: string | undefined }> {
  try {
    const list = await client.siblings(key);
    const siblings = list.siblings.map(({ version, deleted, value, contentType, expired }): SeenSibling => {
      if (deleted || value === undefined) return { version };
      const seen = { version, value: new TextDecoder().decode(fromBase64(value)), contentType };
      return expired === true ? { ...seen, expired } : seen;
    });
    return { siblings, context: list.context };
  } catch (error) {
    if (error instanceof HearsayError && error.code === "not_found")
      return { siblings: [], context: undefined };
    throw error;
  }
}
