import { expect, it } from "vitest";
import { Uncommitted } from "./uncommitted.ts";

function deferred(): { readonly promise: Promise<void>; resolve(): void; reject(error: Error): void } {
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    resolve: () => settle?.resolve(),
    reject: (error) => settle?.reject(error),
  };
}

it("shares one promise among the writes of one commit, and names their keys when it has come", async () => {
  const committed: (readonly string[])[] = [];
  const uncommitted = new Uncommitted(
    (keys) => committed.push(keys),
    () => undefined,
  );
  const first = deferred();
  const second = deferred();
  const a = uncommitted.add("a", 1, first.promise);
  expect(uncommitted.add("b", 2, first.promise)).toBe(a);
  const c = uncommitted.add("c", 3, second.promise);
  expect(c).not.toBe(a);
  expect(uncommitted.oldest).toBe(1);
  first.resolve();
  await a;
  expect(uncommitted.oldest).toBe(3);
  second.resolve();
  await c;
  expect(uncommitted.oldest).toBeUndefined();
  expect(committed).toEqual([["a", "b"], ["c"]]);
});

it("passes a failure on to all writers of the commit, says of which, and waits no longer for it", async () => {
  const committed: (readonly string[])[] = [];
  const failed: (number | undefined)[] = [];
  const uncommitted: Uncommitted = new Uncommitted(
    (keys) => committed.push(keys),
    (oldest) => failed.push(oldest, uncommitted.oldest),
  );
  const failing = deferred();
  const waiting = deferred();
  const writes = [
    uncommitted.add("a", 1, waiting.promise),
    uncommitted.add("b", 2, failing.promise),
  ] as const;
  failing.reject(new Error("disk full"));
  await expect(writes[1]).rejects.toThrow("disk full");
  expect(uncommitted.oldest).toBe(1);
  waiting.resolve();
  await writes[0];
  expect(uncommitted.oldest).toBeUndefined();
  expect(committed).toEqual([["a"]]);
  expect(failed).toEqual([2, 1]);
});
