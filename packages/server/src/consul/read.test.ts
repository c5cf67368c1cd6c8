import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness, listen } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

it.each(["recurse", "keys"])(
  "?%s gives up its scan when its reader goes away before the first part",
  async (form) => {
    for (const key of ["a", "b"]) await h.app.inject({ method: "PUT", url: `/kv/${key}`, payload: "v" });
    const { gate } = h.services;
    const { store } = h;
    const { scan } = store;
    const { port } = await listen(h.app);
    const connected = once(h.app.server, "connection");
    vi.spyOn(store, "scan").mockImplementationOnce(async (options) => {
      const [served] = await connected;
      await once(served, "close");
      return await scan.call(store, options);
    });
    const socket = connect(port, "127.0.0.1");
    socket.write(`GET /v1/kv/?${form}&stale HTTP/1.1\r\nHost: x\r\n\r\n`);
    await expect.poll(() => gate.scans).toBe(1);
    socket.destroy();
    await expect.poll(() => gate.scans).toBe(0);
  },
);
