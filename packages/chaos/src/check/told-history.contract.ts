/** Histories told step by step, for tests of the checks. Each operation takes a tenth of a second, one after the other. */
import { formatVersion } from "@hearsay/core";
import type {
  FaultEvent,
  HistoryEvent,
  ReadEvent,
  ReceiptEvent,
  SeenSibling,
  WriteEvent,
} from "../history/events.ts";
import { History } from "../history/history.ts";
import { check } from "./check.ts";
import type { ViolationCode } from "./violation.ts";

const STEP_MS = 100;
/** Of the nodes' clocks when the history begins. */
const EPOCH_MS = 1_700_000_000_000;

/** The id of a node in its n-th life. */
export function idOf(node: string, life: number = 1): string {
  return `${node}~incarnate${life}`;
}

export class ToldHistory {
  readonly events: HistoryEvent[] = [];
  #nowMs = 0;
  #operations = 0;
  #times = 0;

  constructor(options: { readonly clockErrorMs?: number; readonly processes?: boolean } = {}) {
    this.events.push({
      type: "begin",
      run: "told",
      seed: 1,
      at: "",
      nodes: ["n1", "n2", "n3"],
      durationMs: 1_000,
      command: "hearsay chaos --seed 1",
      clockErrorMs: options.clockErrorMs ?? 0,
    });
    for (const node of options.processes === false ? [] : ["n1", "n2", "n3"])
      this.events.push({ type: "process", atMs: 0, node, event: "started", id: idOf(node), expected: true });
  }

  /** A version that is newer than all before. */
  version(node: string, life?: number): string {
    this.#times += 1;
    return formatVersion({ time: (EPOCH_MS + this.#nowMs) * 2048 + this.#times, node: idOf(node, life) });
  }

  /** The nodes' clocks at the present, in milliseconds. */
  get clockMs(): number {
    return EPOCH_MS + this.#nowMs;
  }

  wait(ms: number): void {
    this.#nowMs += ms;
  }

  put(node: string, key: string, more: Partial<WriteEvent> = {}): WriteEvent {
    return this.#write({ do: "put", value: `value ${this.#operations}` }, node, key, more);
  }

  delete(node: string, key: string, more: Partial<WriteEvent> = {}): WriteEvent {
    return this.#write({ do: "delete" }, node, key, more);
  }

  #write(
    what: Pick<WriteEvent, "do" | "value">,
    node: string,
    key: string,
    more: Partial<WriteEvent>,
  ): WriteEvent {
    const event: WriteEvent = {
      ...this.#operation(node, key),
      ...what,
      outcome: "ok",
      version: this.version(node),
      acks: 1,
      ...more,
    };
    this.events.push(event);
    return event;
  }

  get(node: string, key: string, siblings: readonly SeenSibling[], more: Partial<ReadEvent> = {}): ReadEvent {
    const event: ReadEvent = {
      ...this.#operation(node, key),
      do: "get",
      id: idOf(node),
      siblings,
      ...more,
    };
    this.events.push(event);
    return event;
  }

  receipt(
    node: string,
    { key, version = "" }: WriteEvent,
    names: readonly string[],
    more: Partial<ReceiptEvent> = {},
  ): void {
    const holders = names.map((name) => idOf(name));
    this.events.push({ ...this.#operation(node, key), do: "receipt", version, holders, ...more });
  }

  /** A node says that every member holds all up to then, by default up to now; null when it does not know. */
  watermark(
    node: string,
    ids: readonly string[] = ["n1", "n2", "n3"].map((name) => idOf(name)),
    throughMs?: number | null,
    id: string = idOf(node),
  ): void {
    const askedMs = this.#nowMs;
    this.#nowMs += STEP_MS;
    const members = ids.map((id) => ({ id, name: id.slice(0, 2), state: "alive" }));
    const watermarkMs = throughMs === undefined ? this.clockMs : throughMs;
    this.events.push({
      type: "status",
      askedMs,
      atMs: this.#nowMs,
      node,
      id,
      watermarkMs,
      watermarkAgeMs: 0,
      writable: true,
      members,
    });
  }

  fault(more: Partial<FaultEvent>): void {
    this.#nowMs += STEP_MS;
    const atMs = this.#nowMs;
    this.events.push({ type: "fault", atMs, endMs: atMs, kind: "kill", nodes: ["n1"], detail: "", ...more });
  }

  /** What the nodes hold at the end; all the same unless it is told otherwise. */
  final(
    key: string,
    siblings: readonly SeenSibling[],
    nodes: readonly string[] = ["n1", "n2", "n3"],
    listed?: boolean,
    life?: number,
  ): void {
    for (const node of nodes) {
      const startMs = this.#nowMs + STEP_MS;
      this.#nowMs = startMs + STEP_MS;
      const times = { startMs, endMs: this.#nowMs };
      this.events.push({ type: "final", ...times, node, id: idOf(node, life), key, siblings, listed });
    }
  }

  settled(afterMs: number | null, node: string = "n1", id: string = idOf(node)): void {
    this.events.push({ type: "settled", node, id, afterMs, detail: "said converging" });
  }

  tell(event: HistoryEvent): void {
    this.events.push(event);
  }

  /** The codes of what is found, each once; most of these histories are not told to their end. */
  codes(): string[] {
    return this.allCodes().filter((code) => code !== "unfinished");
  }

  allCodes(): string[] {
    return [...new Set(check(History.of(this.events)).violations.map(({ code }) => code))].sort();
  }

  /** What is said of those of one code. */
  details(of: ViolationCode): string[] {
    const { violations } = check(History.of(this.events));
    return violations.flatMap(({ code, detail }) => (code === of ? [detail] : []));
  }

  /** What is told and held against nobody. */
  notes(): string[] {
    return check(History.of(this.events)).notes.map(({ detail }) => detail);
  }

  counts(): ReturnType<typeof check>["counts"] {
    return check(History.of(this.events)).counts;
  }

  #operation(
    node: string,
    key: string,
  ): Pick<WriteEvent, "type" | "index" | "session" | "node" | "startMs" | "endMs" | "key" | "outcome"> {
    const startMs = this.#nowMs + STEP_MS;
    this.#nowMs = startMs + STEP_MS;
    const index = this.#operations++;
    return { type: "op", index, session: 0, node, startMs, endMs: this.#nowMs, key, outcome: "ok" };
  }
}

/** A sibling as a node shows it. */
export function seen({ version = "", value }: WriteEvent): SeenSibling {
  return value === undefined ? { version } : { version, value };
}
