/** Reads server-sent events of a node, one after the other, the id that counts beside each. */
export interface ReadEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export class EventReader {
  readonly #controller: AbortController;
  readonly #blocks: AsyncGenerator<string>;
  id = "";

  private constructor(response: Response, controller: AbortController) {
    this.#controller = controller;
    this.#blocks = blocksOf(response);
  }

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<EventReader> {
    const controller = new AbortController();
    const response = await fetch(url, { headers, signal: controller.signal });
    if (response.status !== 200) throw new Error(await response.text());
    return new EventReader(response, controller);
  }

  /** Undefined at the end of the stream. */
  async next(): Promise<ReadEvent | undefined> {
    for await (const block of { [Symbol.asyncIterator]: () => keptOpen(this.#blocks) }) {
      let event: string | undefined;
      let data = "{}";
      for (const line of block.split("\n")) {
        const [, name = "", value = ""] = /^(event|id|data): ?(.*)$/.exec(line) ?? [];
        if (name === "id") this.id = value;
        else if (name === "event") event = value;
        else if (name === "data") data = value;
      }
      if (event !== undefined) return { event, id: this.id, data: JSON.parse(data) };
    }
    return undefined;
  }

  /** Everything up to and with the first event of that name, as `event key`. */
  async until(event: string, key?: string): Promise<string[]> {
    const seen: string[] = [];
    for (;;) {
      const next = await this.next();
      if (next === undefined) throw new Error(`the stream ended after ${seen.join(", ")}`);
      const { data } = next;
      seen.push("key" in data ? `${next.event} ${data["key"]}` : next.event);
      if (next.event === event && (key === undefined || data["key"] === key)) return seen;
    }
  }

  /** Hangs up. */
  close(): void {
    this.#controller.abort();
  }
}

/** An iterator that leaving a loop does not end. */
function keptOpen(blocks: AsyncGenerator<string>): AsyncIterator<string> {
  return { next: () => blocks.next() };
}

async function* blocksOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  if (response.body === null) return;
  for await (const part of response.body) {
    rest += decoder.decode(part, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    yield* blocks;
  }
}
