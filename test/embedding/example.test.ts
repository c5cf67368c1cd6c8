import { expect, test } from "vitest";
import { type Disk, newDisk, openReplica, put, read, takesWrites } from "./example.ts";

test("two replicas embedded in one program hold the same, written on either", async () => {
  const left = await openReplica("left", newDisk(), []);
  const right = await openReplica("right", newDisk(), ["left"]);
  await takesWrites(right);
  await put(left, "greeting", "hello");
  expect(read(right, "greeting")).toBe("hello");
  await put(right, "greeting", "hello back");
  expect(read(left, "greeting")).toBe("hello back");
  await right.close();
  await left.close();
});

test("a replica whose store comes into doubt ends its run, and goes on under a new id with what the other one holds", async () => {
  const disk = newDisk();
  const left = await openReplica("left", newDisk(), []);
  let right = await openReplica("right", disk, ["left"]);
  await takesWrites(right);
  await put(left, "greeting", "hello");
  const { id } = right.node;
  await right.close();
  await flipBits(disk, "hello");

  right = await openReplica("right", disk, ["left"]);
  expect(right.node.id).toBe(id);
  expect(right.ending.aborted).toBe(false);
  expect(() => read(right, "greeting")).toThrow();
  expect(right.ending.aborted).toBe(true);
  expect(() => read(right, "else")).toThrow("in_doubt");
  await expect(put(right, "else", "lost")).rejects.toThrow("in_doubt");
  const former = { id, address: "right" };
  await expect(left.member.fetch(former, "else", 1000)).rejects.toThrow("refused: busy");
  await right.close();

  right = await openReplica("right", disk, ["left"]);
  expect(right.node.id).not.toBe(id);
  await expect(left.member.fetch(former, "greeting", 1000)).rejects.toThrow("refused: not_me");
  await expect(put(right, "greeting", "too early")).rejects.toThrow("joining");
  await takesWrites(right);
  await right.member.exchange({ id: left.node.id, address: "left" });
  expect(read(right, "greeting")).toBe("hello");
  await put(right, "greeting", "hello again");
  expect(read(left, "greeting")).toBe("hello again");
  await right.close();
  await left.close();
});

/** In every value that contains the text. */
async function flipBits(disk: Disk, text: string): Promise<void> {
  await disk.open();
  for (const [key, value] of await disk.iterator().all()) {
    const at = Buffer.from(value).indexOf(text);
    if (at < 0) continue;
    const flipped = Uint8Array.from(value);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await disk.put(key, flipped);
  }
  await disk.close();
}
