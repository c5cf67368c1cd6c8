import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LineBlock, LineNotUtf8, LineTooLong, readLineBlocks } from "./lines.ts";

async function* inChunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Uint8Array, sizes: readonly number[], maxBytes = 1000): Promise<LineBlock[]> {
  const blocks: LineBlock[] = [];
  for await (const block of readLineBlocks(inChunks(bytes, sizes), maxBytes)) blocks.push(block);
  return blocks;
}

describe("lines", () => {
  it("are the same wherever the chunks are cut", async () => {
    const text = fc.array(fc.string({ unit: "grapheme", maxLength: 20 }).map((s) => s.replaceAll("\n", "")));
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(text, sizes, fc.boolean(), async (expected, cuts, ended) => {
        const bytes = Buffer.from(expected.join("\n") + (ended && expected.length > 0 ? "\n" : ""));
        const blocks = await read(bytes, cuts);
        // An empty last line without a line feed is no line.
        const whole = ended || expected.at(-1) !== "" ? expected : expected.slice(0, -1);
        expect(blocks.flatMap(({ lines }) => lines)).toEqual(whole);
        const numbers = blocks.flatMap(({ lines, firstNumber }) => lines.map((_, i) => firstNumber + i));
        expect(numbers).toEqual(whole.map((_, i) => i + 1));
        expect(blocks.at(-1)?.endOffset ?? 0).toBe(bytes.length);
      }),
    );
  });

  it("are bounded, whether they end or not", async () => {
    for (const text of [`ok\n${"x".repeat(11)}\n`, `ok\n${"x".repeat(11)}`]) {
      for (const size of [1, 100]) {
        const error = await read(Buffer.from(text), [size], 10).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(LineTooLong);
        expect(error).toMatchObject({ number: 2 });
      }
    }
  });

  it("that are not UTF-8 are named", async () => {
    for (const size of [1, 2, 100]) {
      const error = await read(Buffer.from([0x61, 0x0a, 0xff, 0x0a, 0x62, 0x0a]), [size]).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(LineNotUtf8);
      expect(error).toMatchObject({ number: 2 });
    }
  });
});
