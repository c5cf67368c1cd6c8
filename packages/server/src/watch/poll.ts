/** One reader that wants a single answer: what has happened since its cursor, or the first that happens now. */
import { MEDIA_TYPES, type WatchBatch } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { pour } from "../http/stream.ts";
import { Backlog, type Part } from "./backlog.ts";
import type { Moment } from "./delivery.ts";
import { resetData, type StreamOptions } from "./event-stream.ts";
import type { WatchHub } from "./hub.ts";
import { untilChanged } from "./until-changed.ts";

/** Streams one {@link WatchBatch}: the backlog of a prefix may be larger than what fits into memory. */
export async function answerPoll(
  hub: WatchHub,
  exchange: Exchange,
  options: StreamOptions,
  waitMs: number,
): Promise<void> {
  const parts = new Poll(hub, options, waitMs).parts(exchange);
  // The head goes out with the first part, so that a failure before it still is an answer.
  const first = await parts.next();
  if (first.done === true || exchange.response.destroyed) return;
  exchange.begin(200, ["Content-Type", MEDIA_TYPES.json, "Cache-Control", "no-store"]);
  exchange.response.write(first.value);
  await pour(exchange.response, parts, options.slowReaderMs);
}

class Poll {
  readonly #hub: WatchHub;
  readonly #options: StreamOptions;
  readonly #waitMs: number;
  #count = 0;

  constructor(hub: WatchHub, options: StreamOptions, waitMs: number) {
    this.#hub = hub;
    this.#options = options;
    this.#waitMs = waitMs;
  }

  async *parts(exchange: Exchange): AsyncGenerator<string> {
    const { since, prefix } = this.#options;
    const isFirst = since === undefined || since === "now";
    const backlog = new Backlog(this.#hub, prefix);
    if (this.#options.void !== undefined) yield this.#text(this.#options.void);
    if (since === "now") backlog.goTo(this.#hub.log.end);
    else yield* this.#texts(backlog.stored(since));
    for (let mayWait = !isFirst; ; ) {
      const changes = backlog.take();
      if (changes === undefined) yield* this.#texts(backlog.again());
      else if (changes.length > 0) yield this.#text(changes);
      else if (!mayWait || this.#count > 0) {
        yield this.#end(this.#hub.moment());
        return;
      } else {
        const target = { key: prefix, isPrefix: true };
        const position = await untilChanged(this.#hub, target, this.#waitMs, exchange.response);
        backlog.goTo(position ?? this.#hub.log.end);
        mayWait = false;
      }
    }
  }

  async *#texts(parts: AsyncIterable<Part>): AsyncGenerator<string> {
    for await (const part of parts) if (part.length > 0) yield this.#text(part);
  }

  #text(part: Part): string {
    if (typeof part === "string") {
      this.#hub.count("resets");
      return this.#item("reset", resetData(part));
    }
    this.#hub.count("events", part.length);
    return part.map((change) => this.#item(change.kind, change.data(this.#options.keysOnly))).join("");
  }

  #item(event: WatchBatch["events"][number]["event"], data: string): string {
    this.#count += 1;
    return `${this.#count === 1 ? '{"events":[' : ","}{"event":"${event}","data":${data}}`;
  }

  #end(moment: Moment): string {
    const synced = this.#hub.standing().isCaughtUp ? this.#item("synced", "{}") : "";
    const begun = this.#count === 0 ? '{"events":[' : "";
    return `${synced}${begun}],"cursor":${JSON.stringify(moment.text)}}`;
  }
}
