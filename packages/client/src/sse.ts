/** Server-sent events (WHATWG HTML, section 9.2.6), as far as a node sends them. */

export interface Message {
  /** Undefined for a block that has none, which only moves the id. */
  readonly event: string | undefined;
  readonly data: string;
  /** Undefined when the block does not move it. */
  readonly id: string | undefined;
}

/** The blocks of a stream's lines. A comment alone is a block too; what is cut off at the end is none. */
export async function* readMessages(lines: AsyncIterable<string>): AsyncGenerator<Message> {
  let event: string | undefined;
  let data: string | undefined;
  let id: string | undefined;
  for await (const raw of lines) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "") {
      yield { event: data === undefined ? undefined : (event ?? "message"), data: data ?? "", id };
      event = undefined;
      data = undefined;
      id = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "event") event = value;
    else if (name === "id") id = value;
    else if (name === "data") data = data === undefined ? value : `${data}\n${value}`;
  }
}
