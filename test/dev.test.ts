import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hearsay, temporaryDirectory } from "./cli-process.ts";
import { endAllDevs, isRunning, spawnDev, startDev } from "./dev-process.ts";

const directory = temporaryDirectory();

afterAll(async () => {
  await endAllDevs();
  directory.remove();
});

const PATIENCE = { timeout: 45_000, interval: 50 };

describe("hearsay dev", () => {
  it("--smoke survives a crash with writes and deletions meanwhile, and says so", async () => {
    const { code, text, err } = await hearsay(["dev", "--smoke"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const step of [
      /n3 killed/,
      /deletions wait for n3/,
      /started again, as itself/,
      /25 receipts/,
      /It works\.\n$/,
    ])
      expect(text).toMatch(step);
  });

  it("starts three nodes that are one cluster, says when one ends, and leaves none behind on Ctrl-C", async () => {
    const dev = await startDev(directory.path, "--data", "a");
    const [n1, n2, n3] = dev.nodes;
    if (n1 === undefined || n2 === undefined || n3 === undefined)
      throw new Error("there are not three nodes");
    expect(new Set(dev.nodes.map(({ url }) => url)).size).toBe(3);
    expect((await hearsay(["put", "k", "v", "--ack", "all", "-e", n1.url])).code).toBe(0);
    expect((await hearsay(["get", "k", "-e", n3.url])).text).toBe("v");
    process.kill(n2.pid, "SIGKILL");
    await expect
      .poll(dev.said, PATIENCE)
      .toMatch(/n2: ended with SIGKILL; the others go on\. Its log: .*n2\.log/);
    // On two nodes: the third stops at the same time as the one it is written on, whose directory goes.
    expect((await hearsay(["put", "k", "w", "--ack", "2", "-e", n1.url])).code).toBe(0);
    expect(await dev.end("SIGINT")).toBe(0);
    expect(dev.nodes.map(({ pid }) => isRunning(pid))).toEqual([false, false, false]);
    // The first node begins a cluster where there is none. Without its directory it has to come back to the one that there is.
    rmSync(join(directory.path, "a", "n1"), { recursive: true });
    const refilled = await startDev(directory.path, "--data", "a");
    await expect.poll(async () => (await hearsay(["get", "k", "-e", n1.url])).text, PATIENCE).toBe("w");
    expect(await refilled.end("SIGTERM")).toBe(0);
  });

  it("leaves no node behind when it is killed itself, and starts again on the same data and ports", async () => {
    const dev = await startDev(directory.path, "--data", "b", "--nodes", "2");
    const [n1, n2] = dev.nodes;
    if (n1 === undefined || n2 === undefined) throw new Error("there are not two nodes");
    await hearsay(["put", "k", "v", "--ack", "all", "-e", n1.url]);
    await dev.end("SIGKILL");
    for (const { pid } of dev.nodes) await expect.poll(() => isRunning(pid), PATIENCE).toBe(false);
    const again = await startDev(directory.path, "--data", "b", "--nodes", "2");
    expect(again.nodes.map(({ id, url }) => ({ id, url }))).toEqual(
      [n1, n2].map(({ id, url }) => ({ id, url })),
    );
    expect((await hearsay(["get", "k", "-e", n2.url])).text).toBe("v");
    expect(await again.end("SIGTERM")).toBe(0);
  });

  it("stops at once and cleanly on Ctrl-C while it starts", async () => {
    const dev = spawnDev(directory.path, "--data", "d");
    await expect.poll(() => existsSync(join(directory.path, "d", "n1.log")), PATIENCE).toBe(true);
    expect(await dev.end("SIGINT")).toBe(0);
    expect(dev.said()).not.toContain("error");
  });

  it("says who is not started, and what to do where too few run to take writes", async () => {
    const dev = await startDev(directory.path, "--data", "f");
    const port = new URL(dev.nodes[0]?.url ?? "").port;
    expect(await dev.end("SIGTERM")).toBe(0);
    const fewer = await startDev(directory.path, "--data", "f", "--nodes", "2");
    expect(fewer.said()).toMatch(
      new RegExp(
        `^n3 is not started\\. Unless forgotten, it is still counted.*\nStart it.*--nodes 3.*\n.*forget n3 -e http://127.0.0.1:${port}$`,
        "m",
      ),
    );
    expect(await fewer.end("SIGTERM")).toBe(0);
  });

  it("says which port is taken and what to do", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const refused = await hearsay(["dev", "--nodes", "1", "--port", String(port)], { cwd: directory.path });
    other.close();
    expect(refused).toMatchObject({ code: 1, text: "" });
    expect(refused.err).toContain(`port ${port} is taken`);
    expect(refused.err).toContain("npm start -- --port");
  });

  it("tells why a node does not start, and ends the others", async () => {
    const failed = await hearsay(["dev", "--port", "0", "--data", "c", "--set", "zone=/"], {
      cwd: directory.path,
    });
    expect(failed).toMatchObject({ code: 1, text: "" });
    expect(failed.err).toMatch(/n1: .*zone/);
    expect(failed.err).toContain("n1 ended with code 2 before it was ready");
  });

  it("does not wait for a node whose directory cannot be opened", async () => {
    mkdirSync(join(directory.path, "e"));
    writeFileSync(join(directory.path, "e", "n1"), "no directory");
    const failed = await hearsay(["dev", "--port", "0", "--data", "e"], { cwd: directory.path });
    expect(failed).toMatchObject({ code: 1, text: "" });
    expect(failed.err).toContain("n1 ended with code 1 before it was ready");
  });
});
