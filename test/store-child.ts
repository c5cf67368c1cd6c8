/**
 * A store in a process of its own, for tests that kill it or run it on a file system of their own.
 *
 *   load DIRECTORY   writes rising numbers until killed; prints each number once it is acknowledged
 *   fill DIRECTORY   writes until the disk is full, then makes room, and prints what it saw as JSON
 */
import { hash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { KeyRecord } from "@hearsay/core";
import { DEFAULT_STORE_LIMITS, Store, StoreError, type StoreOptions } from "@hearsay/store";
import { Level } from "level";

const NODE = "child~abcdefghij";
const ROOM_BYTES = 3 * 1024 * 1024;

function storeOptions(directory: string, durability: "fsync" | "os"): StoreOptions {
  mkdirSync(directory, { recursive: true });
  const side = openSync(join(directory, "sequence"), "a+");
  closeSync(side);
  const file = openSync(join(directory, "sequence"), "r+");
  const bytes = Buffer.alloc(8);
  return {
    openDatabase: ({ cacheBytes, writeBufferBytes }) =>
      new Level<Uint8Array, Uint8Array>(join(directory, "db"), {
        keyEncoding: "view",
        valueEncoding: "view",
        cacheSize: cacheBytes,
        writeBufferSize: writeBufferBytes,
      }),
    hashing: {
      sha256: (input) => hash("sha256", input, "buffer"),
      sha256Hex: (input) => hash("sha256", input, "hex"),
      sha256Text: (input) => hash("sha256", input, "binary"),
      crc32: (input, seed) => crc32(input, seed ?? 0),
    },
    digestKey: new Uint8Array(32).fill(7),
    durability,
    sequenceFile: {
      read: () => (readSync(file, bytes, 0, 8, 0) === 8 ? bytes.readDoubleBE() : 0),
      write: (sequence) => {
        bytes.writeDoubleBE(sequence);
        writeSync(file, bytes, 0, 8, 0);
      },
    },
    environment: { bootId: "boot", directoryStamp: "directory" },
    yieldToEventLoop: () => setImmediate(),
    hasRoom: async () => {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize > ROOM_BYTES;
    },
    onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
    limits: { ...DEFAULT_STORE_LIMITS, writeBufferBytes: 512 * 1024 },
  };
}

function record(time: number, bytes: number): KeyRecord {
  const text = `${time} `.padEnd(bytes, "x");
  return {
    context: new Map([[NODE, time]]),
    siblings: [
      {
        kind: "value",
        version: { time, node: NODE },
        bytes: Buffer.from(text),
        contentType: "text/plain",
        expiresAtMs: null,
      },
    ],
  };
}

async function load(directory: string): Promise<void> {
  const { store, report } = await Store.open(storeOptions(directory, "fsync"));
  process.stdout.write(`opened ${JSON.stringify(report)}\n`);
  const first = store.stats().records;
  for (let n = first + 1; ; n++) {
    const number = n;
    const acknowledged = store.put(`n${number}`, record(number, 200)).then(() => {
      process.stdout.write(`${number}\n`);
    });
    if (number % 16 === 0) await acknowledged;
  }
}

async function fill(directory: string): Promise<void> {
  const ballast = join(directory, "ballast");
  mkdirSync(directory, { recursive: true });
  writeFileSync(ballast, Buffer.alloc(2 * ROOM_BYTES));
  const { store } = await Store.open(storeOptions(directory, "fsync"));
  let written = 0;
  const faults: string[] = [];
  while (faults.length === 0) {
    await store.put(`k${written + 1}`, record(written + 1, 5000)).then(
      () => {
        written += 1;
      },
      (error: unknown) => faults.push(faultOf(error)),
    );
  }
  await store.put("later", record(1, 10)).catch((error: unknown) => faults.push(faultOf(error)));
  const readable = countReadable(store, written);
  await store.retry();
  const full = store.stats().condition;
  rmSync(ballast);
  await store.retry();
  const recovered = store.stats().condition;
  await store.put("again", record(1, 10));
  const { consistent } = await store.verify({ deep: true });
  const kept = countReadable(store, written);
  await store.close();
  process.stdout.write(JSON.stringify({ written, faults, readable, full, recovered, consistent, kept }));
}

function countReadable(store: Store, written: number): number {
  let count = 0;
  for (let i = 1; i <= written; i++) if (store.get(`k${i}`)?.siblings[0].version.time === i) count += 1;
  return count;
}

function faultOf(error: unknown): string {
  if (!(error instanceof StoreError)) throw error;
  return "outcome" in error.fault ? `${error.fault.code} ${error.fault.outcome}` : error.fault.code;
}

const [command, directory = ""] = process.argv.slice(2);
await (command === "load" ? load(directory) : fill(directory));
