import { once } from "node:events";
import { connect } from "node:net";
import type { ClusterMember } from "@hearsay/node";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness, listen } from "../testing/harness.ts";
import type { Enrolment } from "./enrolment.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

it("a node that has left ends although who asked for it is gone by then", async () => {
  const { cluster, node } = h.services;
  const { port } = await listen(h.app);
  const connected = once(h.app.server, "connection");
  const socket = connect(port, "127.0.0.1");
  const leave = vi.fn(async () => {
    const [served] = await connected;
    socket.destroy();
    await once(served, "close");
  });
  const finish = vi.fn();
  cluster.enrolBy({ leave, finish } as unknown as Enrolment);
  vi.spyOn(cluster, "member", "get").mockReturnValue({ id: node.id } as ClusterMember);
  socket.write(
    "POST /cluster/leave HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
  );
  await expect.poll(() => finish.mock.calls.length).toBe(1);
});
