/** Readers that are still given what was there before when the node begins to stop. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Indexes } from "../consul/blocking.ts";
import { type Harness, harness } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

async function write(key: string): Promise<void> {
  const content = { kind: "value", bytes: new Uint8Array(1), contentType: "x/y", ttlMs: null } as const;
  const written = h.services.node.write(key, content, undefined);
  if ("committed" in written) await written.committed;
}

/** The hub closes behind the first look at what is stored, and there is a write that the look has not seen. */
function stopInBacklog(): void {
  const stop = async (): Promise<void> => {
    h.services.watch.close();
    await write("late");
  };
  const { scan } = h.store;
  vi.spyOn(h.store, "scan").mockImplementationOnce(async (range) => {
    const chunk = await scan.call(h.store, range);
    await stop();
    return chunk;
  });
  vi.spyOn(h.store, "gravesBetween").mockImplementationOnce(async function* () {
    await stop();
    yield [];
  });
}

it.each([
  ["a stream of events", () => "/watch"],
  ["a poll", () => "/watch?wait=10m"],
  ["a poll that goes on behind a cursor", () => `/watch?wait=10m&since=${h.services.watch.moment().text}`],
])("%s is told all that its cursor claims, and ends", async (_, target) => {
  const url = target();
  stopInBacklog();
  const { payload } = await h.app.inject({ method: "GET", url });
  expect(payload).toContain('"key":"late"');
});

it.each([
  ["a long poll", () => `/watch?prefix=none&wait=10m&since=${h.services.watch.moment().text}`],
  [
    "a blocking query",
    () =>
      `/v1/kv/none?recurse&stale&wait=10m&index=${new Indexes(h.services.watch).of({ key: "none", isPrefix: true })}`,
  ],
])("%s does not begin to wait", async (_, target) => {
  const url = target();
  stopInBacklog();
  await h.app.inject({ method: "GET", url });
  expect(h.services.watch.watchers).toBe(0);
});
