import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { checkClock, checkNode, checkOpenFiles, checkPort } from "./process.ts";

describe("the doctor", () => {
  it.each([
    ["20.18.3", "bad"],
    ["18.99.0", "bad"],
    ["20.19.0", "ok"],
    ["24.1.0", "ok"],
  ])("finds Node %s %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

  it.each([
    [256, "bad"],
    [1024, "warn"],
    [8192, "ok"],
    [Number.POSITIVE_INFINITY, "ok"],
    [undefined, "ok"],
  ])("finds a limit of %s open files %s", (limit, status) => {
    expect(checkOpenFiles(limit).status).toBe(status);
  });

  it("compares clocks within what the reading can tell", () => {
    const now = Date.UTC(2026, 5, 1);
    const reading = (offMs: number): Parameters<typeof checkClock>[1] => ({
      endpoint: "http://n",
      theirsMs: now + offMs,
      oursMs: now,
      errorMs: 1_000,
    });
    expect(checkClock(now, undefined, 10_000).status).toBe("ok");
    expect(checkClock(now, reading(-900), 10_000).status).toBe("ok");
    expect(checkClock(now, reading(5_000), 10_000)).toMatchObject({ status: "warn" });
    expect(checkClock(now, reading(-11_001), 10_000)).toMatchObject({ status: "bad" });
    expect(checkClock(0, undefined, 10_000).status).toBe("bad");
  });

  it("tells a port that is taken from one that is free", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await checkPort("127.0.0.1", port)).toMatchObject({
      status: "bad",
      detail: expect.stringContaining("EADDRINUSE"),
    });
    await new Promise((resolve) => server.close(resolve));
    expect(await checkPort("127.0.0.1", port)).toMatchObject({ status: "ok" });
  });
});
