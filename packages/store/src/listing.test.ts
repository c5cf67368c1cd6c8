import { BUCKET_COUNT, RecordHasher } from "@hearsay/core";
import { expect, it, vi } from "vitest";
import { hashing, memoryBackend, recordOf, tombstone, value } from "./backend.contract.ts";
import { DatabaseHandle } from "./database-handle.ts";

it("lists a bucket without a record, never used or emptied, without reading the database", async () => {
  const backend = await memoryBackend();
  const { store } = await backend.open();
  const bucket = new RecordHasher(hashing, new Uint8Array(32).fill(7)).bucketOf("k");
  await store.put("k", recordOf(value(1, "x")));
  const reads = vi.spyOn(DatabaseHandle.prototype, "read");
  expect(await store.listBucket((bucket + 1) % BUCKET_COUNT)).toEqual([]);
  expect(reads).not.toHaveBeenCalled();
  expect(await store.listBucket(bucket)).toMatchObject([{ key: "k", time: 1 }]);
  expect(reads).toHaveBeenCalled();
  await store.put("k", recordOf(tombstone(2)));
  await store.purge(10, 10);
  reads.mockClear();
  expect(await store.listBucket(bucket)).toEqual([]);
  expect(reads).not.toHaveBeenCalled();
  reads.mockRestore();
  await backend.dispose();
});
