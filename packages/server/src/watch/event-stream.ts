/**
 * One reader of server-sent events: the backlog at its own pace, then what happens, as it happens.
 *
 * Bound: `maxBytes` wait in memory for the reader to take them; one that takes less than comes is cut off.
 */
import type { ServerResponse } from "node:http";
import { WATCH_HEARTBEAT_MS, type WatchReset } from "@hearsay/api";
import type { WatchCursor } from "@hearsay/core";
import { drained } from "../http/stream.ts";
import { Backlog, type Part, type Void } from "./backlog.ts";
import { type Delivery, eventText, type Moment } from "./delivery.ts";
import type { WatchHub } from "./hub.ts";
import type { Reader } from "./topic.ts";

export interface StreamOptions {
  readonly prefix: string;
  readonly keysOnly: boolean;
  /** Undefined: everything there is. `now`: nothing of it. */
  readonly since: WatchCursor | "now" | undefined;
  /** Why the cursor the reader came with does not help it. */
  readonly void: Void | undefined;
  readonly maxBytes: number;
  /** A reader that takes nothing for so long is cut off while it is given the backlog. */
  readonly slowReaderMs: number;
}

const RESET_DETAILS: Readonly<Record<WatchReset["reason"], string>> = {
  cursor_too_old: "Deletions that you have not heard of may be forgotten; all that is there follows.",
  unknown_node: "The node that gave the cursor is no member; all that is there follows.",
  slow_reader: "More happens than you take; go on with your last cursor.",
};

export function resetData(reason: WatchReset["reason"]): string {
  return JSON.stringify({ reason, detail: RESET_DETAILS[reason] } satisfies WatchReset);
}

export class EventStream implements Reader {
  readonly #hub: WatchHub;
  readonly #response: ServerResponse;
  readonly #options: StreamOptions;
  #isSynced = false;
  /** The reader has a cursor behind what it was told last, which helps it elsewhere too. */
  #hasClaims = false;
  #heartbeatAtMs: number;
  #leave: (() => void) | undefined;

  constructor(hub: WatchHub, response: ServerResponse, options: StreamOptions) {
    this.#hub = hub;
    this.#response = response;
    this.#options = options;
    this.#heartbeatAtMs = hub.timers.monotonicMs() + WATCH_HEARTBEAT_MS;
  }

  /** Settles when the reader is gone. The head of the answer has been sent. */
  async run(): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      if (this.#response.closed) resolve();
      else this.#response.once("close", resolve);
    });
    try {
      if (await this.#backlog()) await gone;
    } finally {
      this.#leave?.();
    }
  }

  deliver(delivery: Delivery): void {
    if (delivery.cursor === undefined) this.#hasClaims = false;
    else this.#idOf(delivery.cursor);
    this.#push(delivery.events(this.#options.keysOnly));
  }

  tick(now: (() => Moment) | undefined, isCaughtUp: boolean): void {
    if (!this.#isSynced && isCaughtUp) {
      this.#isSynced = true;
      this.#push(eventText("synced", "{}", now && this.#idOf(now())));
    }
    const nowMs = this.#hub.timers.monotonicMs();
    const isDue = nowMs >= this.#heartbeatAtMs;
    if (!isDue && (this.#hasClaims || now === undefined || now().cursor.claims.base === 0)) return;
    this.#heartbeatAtMs = nowMs + WATCH_HEARTBEAT_MS;
    this.#push(now === undefined ? ": heartbeat\n\n" : `: heartbeat\nid: ${this.#idOf(now())}\n\n`);
  }

  #idOf(moment: Moment): string {
    this.#hasClaims = moment.cursor.claims.base > 0;
    return moment.text;
  }

  end(): void {
    this.#leave?.();
    this.#response.end();
  }

  /** @returns whether the reader has been given all and has joined */
  async #backlog(): Promise<boolean> {
    const { prefix, since } = this.#options;
    // Intermediaries and clients learn that the stream has begun.
    this.#response.write(": hearsay\n\n");
    if (this.#options.void !== undefined && !(await this.#write(this.#options.void))) return false;
    const backlog = new Backlog(this.#hub, prefix);
    if (since === "now") backlog.goTo(this.#hub.log.end);
    else if (!(await this.#pour(backlog.stored(since)))) return false;
    for (;;) {
      const changes = backlog.take();
      if (changes === undefined) {
        if (!(await this.#pour(backlog.again()))) return false;
      } else if (changes.length > 0) {
        if (!(await this.#write(changes))) return false;
      } else {
        this.#leave = this.#hub.join(prefix, this);
        const { isCaughtUp } = this.#hub.standing();
        if (isCaughtUp) this.tick(() => this.#hub.moment(), true);
        if (this.#hub.isClosed) this.end();
        return true;
      }
    }
  }

  async #pour(parts: AsyncIterable<Part>): Promise<boolean> {
    for await (const part of parts) if (!(await this.#write(part))) return false;
    return true;
  }

  /** Events of the backlog have no cursor: it is not known which part of it the next node would have to tell. */
  async #write(part: Part): Promise<boolean> {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return false;
    if (part.length === 0) return true;
    let text = "";
    if (typeof part === "string") {
      text = `event: reset\nid:\ndata: ${resetData(part)}\n\n`;
      this.#hub.count("resets");
    } else {
      for (const change of part)
        text += eventText(change.kind, change.data(this.#options.keysOnly), undefined);
      this.#hub.count("events", part.length);
    }
    if (response.write(text) || (await drained(response, this.#options.slowReaderMs))) return true;
    this.#hub.count("cutOff");
    response.destroy();
    return false;
  }

  #push(bytes: Buffer | string): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    const waiting = response.writableLength;
    if (waiting > 0 && waiting + bytes.length > this.#options.maxBytes) {
      this.#cutOff();
      return;
    }
    // At once and not at the end of the turn, so that who paces this sees what it costs.
    const { socket } = response;
    socket?.cork();
    response.write(bytes);
    socket?.uncork();
  }

  #cutOff(): void {
    const response = this.#response;
    this.#hub.count("cutOff");
    this.#leave?.();
    response.write(eventText("reset", resetData("slow_reader"), undefined));
    response.end();
    const cancel = this.#hub.timers.after(this.#options.slowReaderMs, () => response.destroy());
    response.once("close", cancel);
  }
}
