import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { choosePorts, recordedPorts, recordPorts } from "./ports.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-ports-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("ports", () => {
  it("that are free are found, each once", async () => {
    const found = await choosePorts({ first: 0, fallback: 1, count: 5, recorded: [] });
    expect(new Set(found).size).toBe(5);
    for (const port of found) expect(port).toBeGreaterThan(1023);
  });

  it("that are taken are named, with what to do", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(choosePorts({ first: port, fallback: 0, count: 1, recorded: [] })).rejects.toMatchObject({
      code: "port_taken",
      message: `port ${port} is taken`,
      next: expect.stringContaining("npm start -- --port"),
    });
    await new Promise((resolve) => server.close(resolve));
    expect(await choosePorts({ first: undefined, fallback: port, count: 1, recorded: [] })).toEqual([port]);
  });

  it("stay those of earlier runs on the same data", async () => {
    const recorded = await choosePorts({ first: 0, fallback: 0, count: 3, recorded: [] });
    await recordPorts(directory, recorded, []);
    expect(await recordedPorts(directory)).toEqual(recorded);
    const [first = 0, second = 0, third = 0] = recorded;
    for (const wished of [undefined, 0, first]) {
      const wish = { first: wished, fallback: 1, count: 2, recorded };
      expect(await choosePorts(wish)).toEqual([first, second]);
    }
    // Nodes that are not started this time keep theirs.
    await recordPorts(directory, [first, second], recorded);
    expect(await recordedPorts(directory)).toEqual([first, second, third]);
    await expect(choosePorts({ first: first + 1, fallback: 0, count: 3, recorded })).rejects.toMatchObject({
      code: "other_ports",
      exit: 2,
    });
  });

  it("are none in a directory that holds no cluster, and an error in one whose record is broken", async () => {
    expect(await recordedPorts(join(directory, "absent"))).toEqual([]);
    for (const text of ["", "[]", '["7171"]', "[0]", "[99999]"]) {
      writeFileSync(join(directory, "ports.json"), text);
      await expect(recordedPorts(directory)).rejects.toMatchObject({ code: "bad_port_record" });
    }
  });
});
