import { expect, test } from "vitest";
import { openReplica, put, read, takesWrites } from "./example.ts";

test("two replicas embedded in one program hold the same, written on either", async () => {
  const left = await openReplica("left", []);
  const right = await openReplica("right", ["left"]);
  await takesWrites(right);
  await put(left, "greeting", "hello");
  expect(read(right, "greeting")).toBe("hello");
  await put(right, "greeting", "hello back");
  expect(read(left, "greeting")).toBe("hello back");
  await right.close();
  await left.close();
});
