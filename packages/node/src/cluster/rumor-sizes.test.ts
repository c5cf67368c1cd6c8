/** Records that rumors carry may be larger than was said of them: they have grown since, or a peer has said so. */
import { DEFAULT_RUMOR_OPTIONS, encodeUtf8, type LoadedRumor, type PeerReply } from "@hearsay/core";
import { expect, test } from "vitest";
import { recordBytes } from "../exchange/session.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { FRIEND, introduce, type Running, rumors, start } from "./lone-member.contract.ts";

const maxMessageBytes = 8192;

async function holding(keys: readonly string[], bytes: number): Promise<Running> {
  const it = await start(new MemoryStore(), [], { rumors: { ...DEFAULT_RUMOR_OPTIONS, maxMessageBytes } });
  await introduce(it, FRIEND);
  for (const key of keys) await it.replica.write(key, "x".repeat(bytes));
  return it;
}

function wantOf(key: string): Omit<LoadedRumor, "inline" | "record"> {
  return { key, versions: [], sizeBytes: 0, hops: 0, mailed: false };
}

function carriedBytes(reply: PeerReply): number {
  if (reply.kind !== "rumors-reply") throw new Error(reply.kind);
  return reply.rumors.reduce(
    (sum, { key, record }) => sum + (record === null ? 0 : recordBytes(key, record)),
    0,
  );
}

test("what is wanted as if it were small is answered as far as it fits, and the rest offered", async () => {
  const keys = ["1", "2", "3", "4", "5", "6"];
  const it = await holding(keys, 3000);
  const reply = await it.member.serve(FRIEND.id, rumors({ wants: keys.map(wantOf) }));
  expect(carriedBytes(reply)).toBeLessThanOrEqual(maxMessageBytes);
  expect(reply).toMatchObject({
    rumors: keys.map((key, i) => ({ key, inline: i < 2, ...(i < 2 ? {} : { record: null }) })),
  });
});

test("so is one key that is wanted over and over; a record that is larger alone is sent", async () => {
  const it = await holding(["k"], 3 * maxMessageBytes);
  const reply = await it.member.serve(
    FRIEND.id,
    rumors({ wants: Array.from({ length: 100 }, () => wantOf("k")) }),
  );
  expect(reply).toMatchObject({ kind: "rumors-reply" });
  const record = it.replica.store.get("k");
  expect(record?.siblings).toMatchObject([{ bytes: encodeUtf8("x".repeat(3 * maxMessageBytes)) }]);
  expect(carriedBytes(reply)).toBe(record === undefined ? 0 : recordBytes("k", record));
});
