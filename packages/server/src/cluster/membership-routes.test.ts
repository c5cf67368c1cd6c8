import { once } from "node:events";
import { connect } from "node:net";
import { type ClusterMember, PeerFault } from "@hearsay/node";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Harness, harness, listen } from "../testing/harness.ts";
import { Enrolment, type EnrolmentPorts } from "./enrolment.ts";

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

it.each([
  { who: "is alone", others: [], fault: "unreachable", code: "leave_impossible", says: "no other member" },
  {
    who: "was forgotten by the only other one",
    others: ["n2"],
    fault: "retired",
    code: "retired",
    says: "new id",
  },
] as const)(
  "a node that $who does not leave, and is told what to do",
  async ({ others, fault, code, says }) => {
    const members = fault === "retired" ? others : ["n1", ...others];
    const member = {
      id: "n1",
      membership: { members: () => members.map((id) => ({ id })) },
      leave: () => Promise.reject(new PeerFault({ code: fault })),
    };
    const { log } = h.services;
    const ports: unknown = { cluster: { member }, log };
    const left = new Enrolment(ports as EnrolmentPorts).leave();
    await expect(left).rejects.toMatchObject({ code, facts: { detail: expect.stringContaining(says) } });
  },
);
