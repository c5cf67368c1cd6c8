/** A line of a file. */
export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Bytes of the file up to the end of the line. */
  readonly endOffset: number;
}

export class LineTooLong extends Error {
  readonly number: number;

  constructor(number: number, maxBytes: number) {
    super(`line ${number} is longer than ${maxBytes} bytes`);
    this.name = "LineTooLong";
    this.number = number;
  }
}

export class LineNotUtf8 extends Error {
  readonly number: number;

  constructor(number: number) {
    super(`line ${number} is not UTF-8`);
    this.name = "LineNotUtf8";
    this.number = number;
  }
}

const LINE_FEED = 0x0a;

/**
 * The lines of UTF-8 bytes, all those of one chunk at once: an await for each line would cost more than the line.
 * Never holds more than one chunk and one line of at most `maxBytes`.
 */
export async function* readLineBlocks(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<readonly Line[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let offset = 0;
  let number = 0;
  const take = (bytes: Buffer): Line => {
    number += 1;
    return { text: decodeLine(bytes, number), number, endOffset: offset };
  };
  for await (const part of chunks) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const tail = chunk.subarray(start, end);
      if (restBytes + tail.length > maxBytes) throw new LineTooLong(number + 1, maxBytes);
      offset += tail.length + 1;
      lines.push(take(restBytes === 0 ? tail : Buffer.concat([...rest, tail])));
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    const tail = chunk.subarray(start);
    rest.push(tail);
    restBytes += tail.length;
    offset += tail.length;
    if (restBytes > maxBytes) throw new LineTooLong(number + 1, maxBytes);
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) yield [take(Buffer.concat(rest))];
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLine(bytes: Buffer, number: number): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new LineNotUtf8(number);
  }
}
