/**
 * Blocking queries: a read that waits until something under its prefix is newer than an index.
 *
 * An index is this node's commit sequence above a base that is its own: an index of another node lies in another range, but
 * for one pair of nodes in {@link NODE_RANGES}, and does not make a query wait for something that has happened already. It
 * rises across restarts. Every index is greater than every ModifyIndex (until the year 2039), as Consul's are.
 */

import type { ServerResponse } from "node:http";
import { parseDurationMs } from "@hearsay/api";
import type { NodeId } from "@hearsay/core";
import type { WatchHub } from "../watch/hub.ts";
import { untilChanged } from "../watch/until-changed.ts";
import type { Target } from "../watch/waiters.ts";
import { ConsulRefusal } from "./answers.ts";
import type { Entry } from "./entry.ts";

/** Below it are modification indexes. */
const INDEX_BASE = 2 ** 52;
const NODE_RANGE = 2 ** 42;
const NODE_RANGES = 1_023;

const DEFAULT_WAIT_MS = 5 * 60_000;
const MAX_WAIT_MS = 10 * 60_000;

export interface Block {
  /** What the reader has seen. */
  readonly index: number;
  readonly waitMs: number;
}

/** What has the greatest ModifyIndex in what would be answered. */
export type Newest = Pick<Entry, "key" | "modifyIndex">;

/** Undefined for a query that does not wait. @throws ConsulRefusal */
export function parseBlock(parameters: ReadonlyMap<string, string>): Block | undefined {
  const text = parameters.get("index");
  if (text !== undefined && !/^\d{1,19}$/.test(text)) throw new ConsulRefusal(400, "Invalid index");
  const wait = parameters.get("wait");
  const waitMs = wait === undefined || wait === "" ? DEFAULT_WAIT_MS : parseWait(wait);
  if (waitMs === undefined) throw new ConsulRefusal(400, "Invalid wait time");
  const index = Number(text ?? 0);
  return index === 0 ? undefined : { index, waitMs: Math.min(waitMs || DEFAULT_WAIT_MS, MAX_WAIT_MS) };
}

/** Go's durations, as far as they are one number and a unit, or several of them. Zero is the default, as in Consul. */
function parseWait(text: string): number | undefined {
  if (text === "0") return 0;
  const parts = text.match(/\d+(?:\.\d+)?(?:ms|s|m|h)/g);
  if (parts === null || parts.join("") !== text) return undefined;
  let total = 0;
  for (const part of parts) {
    const whole = parseDurationMs(part);
    const [, number = "", unit = ""] = /^([\d.]+)(\D+)$/.exec(part) ?? [];
    total += whole ?? Number(number) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 0);
  }
  return total;
}

export class Indexes {
  readonly #hub: WatchHub;
  readonly #base: number;

  constructor(hub: WatchHub) {
    this.#hub = hub;
    this.#base = INDEX_BASE + (hashOf(hub.self) % NODE_RANGES) * NODE_RANGE;
  }

  /** No change to the target is later. */
  of({ key, isPrefix }: Target): number {
    const { log } = this.#hub;
    return this.#base + 1 + (isPrefix ? log.lastOfPrefix(key) : log.lastOfKey(key));
  }

  /**
   * Settles when the target may have changed since the reader's index, and gives the index of now; when the time is over
   * without a change, the reader's own.
   * @param newest some programs wait with its ModifyIndex
   */
  async after(
    target: Target,
    block: Block,
    newest: Newest | undefined,
    response: ServerResponse,
  ): Promise<number> {
    await this.#hub.expiries.makeUp();
    const index = this.of(target);
    const isOwn = block.index >= this.#base && block.index <= this.#base + 1 + this.#hub.store.sequence;
    const isSeen =
      block.index < INDEX_BASE ? this.#isLast(target, newest, block.index) : isOwn && block.index >= index;
    if (!isSeen) return index;
    const position = await untilChanged(this.#hub, target, block.waitMs, response);
    return position !== undefined || !isOwn ? this.of(target) : block.index;
  }

  /** Deletions have no ModifyIndex, and what another node has written may come late and have a lower one. */
  #isLast(target: Target, newest: Newest | undefined, modifyIndex: number): boolean {
    if (newest?.modifyIndex !== modifyIndex) return false;
    return this.of({ key: newest.key, isPrefix: false }) === this.of(target);
  }
}

/** FNV-1a, 32 bits. */
function hashOf(id: NodeId): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
