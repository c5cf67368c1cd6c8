import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { hashing, memoryBackend, NODE_B, recordOf, tombstone, value } from "./backend.contract.ts";
import {
  FRAME_ENTRIES,
  FRAME_TARGET_BYTES,
  FRAME_TRAILER,
  FrameChain,
  SNAPSHOT_MAGIC,
  sealFrame,
} from "./snapshot-format.ts";
import { readSnapshot, type SnapshotItem } from "./snapshot-read.ts";

let whole: Uint8Array;

beforeAll(async () => {
  const backend = await memoryBackend();
  const { store } = await backend.open();
  for (let i = 0; i < 40; i++) {
    await store.put(
      `k${i}`,
      recordOf(i % 3 === 0 ? tombstone(i + 2) : value(i + 2, "v"), value(1, "w", NODE_B)),
    );
  }
  await store.put("a-large", recordOf(value(99, "x".repeat(70_000))));
  await store.put("z-large", recordOf(value(100, "x".repeat(80_000))));
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.snapshot()) chunks.push(chunk);
  whole = new Uint8Array(Buffer.concat(chunks));
  await backend.dispose();
});

async function read(bytes: Uint8Array, chunkSize: number = 10_000): Promise<SnapshotItem[]> {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize) chunks.push(bytes.subarray(at, at + chunkSize));
  const items: SnapshotItem[] = [];
  for await (const item of readSnapshot(Readable.from(chunks), hashing)) items.push(item);
  return items;
}

it("reads the same from any portions of the stream", async () => {
  const items = await read(whole);
  expect(items).toHaveLength(43);
  expect(items.at(-1)).toEqual({ kind: "end", entries: 42, damaged: 0 });
  expect(await read(whole, 1)).toEqual(items);
  expect(await read(whole, 7)).toEqual(items);
});

it("calls every shortened stream truncated", async () => {
  for (
    let length = 0;
    length < whole.length;
    length += length < 4000 || length > whole.length - 200 ? 1 : 997
  ) {
    await expect(read(whole.subarray(0, length))).rejects.toMatchObject({
      fault: { code: "snapshot_truncated" },
    });
  }
});

it("notices every flipped bit", async () => {
  for (let at = 0; at < whole.length; at += at < 4000 || at > whole.length - 200 ? 3 : 1009) {
    const flipped = whole.slice();
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    await expect(read(flipped)).rejects.toMatchObject({
      fault: { code: expect.stringMatching(/^snapshot_(corrupt|truncated)$/) },
    });
  }
});

it("notices frames that are missing, doubled or out of order, and what follows the end", async () => {
  const frames: Uint8Array[] = [];
  for (let at = 6; at < whole.length; ) {
    const length = 5 + new DataView(whole.buffer, whole.byteOffset + at).getUint32(1) + 4;
    frames.push(whole.subarray(at, at + length));
    at += length;
  }
  const [first = whole, second = whole, trailer = whole] = frames;
  expect(frames).toHaveLength(3);
  const magic = whole.subarray(0, 6);
  for (const parts of [
    [first, trailer],
    [second, first, trailer],
    [first, first, second, trailer],
    [first, second, trailer, trailer],
    [trailer],
  ]) {
    await expect(read(Buffer.concat([magic, ...parts]))).rejects.toMatchObject({
      fault: { code: "snapshot_corrupt" },
    });
  }
});

it("lets go of its source when it refuses it, and when its reader has enough", async () => {
  const flipped = whole.slice();
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  for (const bytes of [flipped, whole]) {
    // Longer than what is read: a source that has ended by itself has let go already.
    const source = Readable.from([bytes.subarray(0, 5000), bytes.subarray(5000, 5001), bytes.subarray(5001)]);
    const reading = (async () => {
      for await (const _item of readSnapshot(source, hashing)) break;
    })();
    await reading.catch(() => undefined);
    expect(source.destroyed).toBe(true);
  }
});

it("refuses a frame of more entries than a writer would put into one, which could fill the memory", async () => {
  const backend = await memoryBackend();
  const { store } = await backend.open();
  for (let i = 0; i < 2; i++)
    await store.put(`k${i}`, recordOf(value(i + 1, "x".repeat(FRAME_TARGET_BYTES))));
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.snapshot()) chunks.push(chunk);
  await backend.dispose();
  const frames = chunks.filter((chunk) => chunk[0] === FRAME_ENTRIES);
  expect(frames).toHaveLength(2);
  const payloads = frames.map((frame) => frame.subarray(5, -4));
  const joined = sealFrame(hashing, FRAME_ENTRIES, new Uint8Array(Buffer.concat(payloads)));
  const chain = new FrameChain(hashing);
  chain.add(joined, 2);
  const trailer = sealFrame(hashing, FRAME_TRAILER, chain.trailer(0));
  await expect(read(Buffer.concat([SNAPSHOT_MAGIC, joined, trailer]))).rejects.toMatchObject({
    fault: { code: "snapshot_corrupt", detail: expect.stringContaining("frame") },
  });
});

it("ends with an error when more changes than it may remember", async () => {
  const backend = await memoryBackend();
  const { store } = await backend.open({ limits: { snapshotMaxChanged: 10 } });
  for (let i = 0; i < 300; i++) void store.put(`k${i}`, recordOf(value(i + 1, "v".repeat(1000))));
  await store.flush();
  const consume = async (): Promise<void> => {
    for await (const _chunk of store.snapshot()) {
      for (let i = 0; i < 50; i++) void store.put(`k${i}`, recordOf(value(1000 + i, "w")));
      await store.flush();
    }
  };
  await expect(consume()).rejects.toMatchObject({ fault: { code: "snapshot_overrun" } });
  await backend.dispose();
});

it("reads no more bytes without a pause than the largest batch has, of what changed behind it", async () => {
  const KEYS = 20;
  const backend = await memoryBackend();
  const inner = await backend.raw();
  let reads = 0;
  let most = 0;
  const { store } = await backend.open({
    limits: { cacheMaxBytes: 1 },
    openDatabase: () => ({
      open: (options) => inner.open(options),
      close: () => inner.close(),
      batch: () => inner.batch(),
      iterator: (range) => inner.iterator(range),
      getSync: (key) => {
        reads += 1;
        return inner.getSync(key);
      },
    }),
  });
  const rewrite = async (time: number): Promise<void> => {
    for (let i = 0; i < KEYS; i++) await store.put(`a${i}`, recordOf(value(time, "x".repeat(1024 * 1024))));
  };
  await rewrite(1);
  await store.put("z", recordOf(value(1, "x")));
  let chunks = 0;
  for await (const _chunk of store.snapshot()) {
    chunks += 1;
    if (chunks === 2 + KEYS / 2) await rewrite(2);
    await setImmediate();
    if (chunks > 2 + KEYS / 2) most = Math.max(most, reads);
    reads = 0;
  }
  expect(chunks).toBeGreaterThan(KEYS + KEYS / 2);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(9);
  await backend.dispose();
}, 20_000);
