import { isUtf8 } from "node:buffer";

/** Lines of a file that follow one another. */
export interface LineBlock {
  readonly lines: readonly string[];
  /** Of the first line, from 1. */
  readonly firstNumber: number;
  /** Bytes of the file up to the end of the last line. */
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
 * The lines of UTF-8 bytes, all those of one chunk at once: an await for each line would cost more than the line, and so
 * does decoding each by itself. Never holds more than one chunk and one line of at most `maxBytes`.
 */
export async function* readLineBlocks(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<LineBlock> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let offset = 0;
  let firstNumber = 1;
  const take = (bytes: Buffer): LineBlock => {
    const block = { lines: decodeLines(bytes, firstNumber, maxBytes), firstNumber, endOffset: offset };
    firstNumber += block.lines.length;
    return block;
  };
  for await (const part of chunks) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    const end = chunk.lastIndexOf(LINE_FEED);
    if (end !== -1) {
      const whole = chunk.subarray(0, end);
      offset += restBytes + end + 1;
      const block = take(restBytes === 0 ? whole : Buffer.concat([...rest, whole]));
      rest = [];
      restBytes = 0;
      yield block;
    }
    const tail = chunk.subarray(end + 1);
    rest.push(tail);
    restBytes += tail.length;
    if (restBytes > maxBytes) throw new LineTooLong(firstNumber, maxBytes);
  }
  offset += restBytes;
  if (restBytes > 0) yield take(Buffer.concat(rest));
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param bytes lines with a line feed between them, none behind the last */
function decodeLines(bytes: Buffer, firstNumber: number, maxBytes: number): string[] {
  if (bytes.length > maxBytes) refuseLong(bytes, firstNumber, maxBytes);
  try {
    return strictUtf8.decode(bytes).split("\n");
  } catch {
    throw new LineNotUtf8(firstNumber + linesBeforeFault(bytes));
  }
}

function refuseLong(bytes: Buffer, firstNumber: number, maxBytes: number): void {
  let number = firstNumber;
  for (const line of linesOf(bytes)) {
    if (line.length > maxBytes) throw new LineTooLong(number, maxBytes);
    number += 1;
  }
}

function linesBeforeFault(bytes: Buffer): number {
  let before = 0;
  for (const line of linesOf(bytes)) {
    if (!isUtf8(line)) break;
    before += 1;
  }
  return before;
}

function* linesOf(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
  yield bytes.subarray(start);
}
