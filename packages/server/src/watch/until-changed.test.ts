import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Indexes } from "../consul/blocking.ts";
import { type Harness, harness, listen } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

it.each([
  ["a long poll", () => `/watch?wait=10m&since=${h.services.watch.moment().text}`],
  [
    "a blocking query",
    () =>
      `/v1/kv/?recurse&stale&wait=10m&index=${new Indexes(h.services.watch).of({ key: "", isPrefix: true })}`,
  ],
])("%s whose reader is gone before the wait begins no longer watches", async (_, target) => {
  const { watch } = h.services;
  const { port } = await listen(h.app);
  const connected = once(h.app.server, "connection");
  const socket = connect(port, "127.0.0.1");
  const goAway = async (): Promise<void> => {
    const [served] = await connected;
    socket.destroy();
    await once(served, "close");
  };
  const { scan } = h.store;
  vi.spyOn(h.store, "scan").mockImplementationOnce(async (range) => {
    await goAway();
    return await scan.call(h.store, range);
  });
  vi.spyOn(h.store, "gravesBetween").mockImplementationOnce(async function* () {
    await goAway();
    yield [];
  });
  socket.write(`GET ${target()} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, "close");
  await expect.poll(() => watch.watchers).toBe(0);
});
