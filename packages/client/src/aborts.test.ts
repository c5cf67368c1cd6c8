import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { onAbort } from "./aborts.ts";
import { Client } from "./client.ts";
import { defaultPlatform } from "./platform.ts";

it("all who wait for a signal share one listener, and are called once each", () => {
  const { signal, abort } = controlled();
  const called: number[] = [];
  const takeBacks = Array.from({ length: 100 }, (_, i) => onAbort(signal, () => called.push(i)));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  takeBacks[7]?.();
  takeBacks[7]?.();
  abort();
  abort();
  expect(called).toHaveLength(99);
  expect(called).not.toContain(7);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

it("nothing stays on the signal when nobody waits, and it can be waited for again", () => {
  const { signal, abort } = controlled();
  const takeBacks = [onAbort(signal, () => undefined), onAbort(signal, () => undefined)];
  for (const takeBack of takeBacks) takeBack();
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  let called = 0;
  onAbort(signal, () => {
    called += 1;
  });
  takeBacks[0]?.();
  abort();
  expect(called).toBe(1);
});

it("calls that share a signal put one listener on it, and none when they are over", async () => {
  const { signal } = controlled();
  const answers: (() => void)[] = [];
  const client = new Client({
    endpoints: ["http://a:1"],
    platform: {
      ...defaultPlatform,
      fetch: () =>
        new Promise((resolve) =>
          answers.push(() => resolve(new Response("v", { headers: { etag: '"1-n"' } }))),
        ),
    },
  });
  const calls = Array.from({ length: 20 }, () => client.get("k", { signal }));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  for (const answer of answers) answer();
  await Promise.all(calls);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

function controlled(): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
