/** The calls on whole nodes: three that stay up for all tests that only look, and others for those that change members. */
import {
  ClusterStatus,
  ConvergenceReport,
  DiffReport,
  ForgetReport,
  JoinReport,
  LeaveReport,
  Readiness,
  ReceiptReport,
  RepairLine,
  SafeToStopReport,
  type Schema,
  TombstoneReport,
} from "@hearsay/api";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { validatorOf } from "../http/validator.ts";
import { type Asked, RunningCluster } from "../testing/running-cluster.ts";

/** The body of an answer that is what the schema says. */
function checked({ status, body }: Asked, schema: Schema<unknown>, expected: number = 200): unknown {
  expect([status, status === expected ? validatorOf(schema).Errors(body) : body]).toEqual([
    expected,
    [true, []],
  ]);
  return body;
}

const idOf = (name: string): unknown => expect.stringMatching(new RegExp(`^${name}~`));

describe("what three nodes tell", () => {
  const cluster = new RunningCluster();

  beforeAll(() => cluster.start("n1", "n2", "n3"));
  afterAll(() => cluster.dispose());

  it("any node answers for the whole cluster", async () => {
    await cluster.put("n1", "k", "value");
    for (const name of ["n1", "n2", "n3"]) {
      await cluster.until(`${name} knows of all`, async () => {
        const { body } = await cluster.get(name, "/cluster");
        const text = JSON.stringify(body);
        const isWhole = !text.includes('"completeThrough":null') && !text.includes('"clockOffsetMs":null');
        return isWhole && !text.includes('"keys":0') && !text.includes('"keys":null');
      });
      expect(checked(await cluster.get(name, "/cluster"), ClusterStatus)).toMatchObject({
        cluster: "hearsay",
        node: idOf(name),
        writable: true,
        notWritable: null,
        totals: { members: 3, live: 3, keys: 1 },
        members: ["n1", "n2", "n3"].map((other) => ({
          id: idOf(other),
          name: other,
          self: other === name,
          state: "alive",
          address: cluster.address(other),
          keys: 1,
          lastExchange: other === name ? null : { keysSent: expect.any(Number) },
        })),
      });
    }
  });

  /** The first answer that contains a text. */
  async function said(name: string, path: string, text: string): Promise<Asked> {
    let asked = await cluster.get(name, path);
    await cluster.until(text, async () => {
      asked = await cluster.get(name, path);
      return JSON.stringify(asked.body).includes(text);
    });
    return asked;
  }

  it("they have converged, and it is safe to stop one", async () => {
    // One answer that says both: on a busy machine they may hold the same while one of them is still behind.
    await cluster.until("all hold the same, and nobody is behind", async () => {
      const report = checked(await cluster.get("n2", "/cluster/convergence"), ConvergenceReport);
      const text = JSON.stringify(report);
      return text.includes('"verdict":"converged"') && text.includes('"heldBackBy":[]');
    });
    const safe = checked(await said("n1", "/cluster/safe-to-stop", "true"), SafeToStopReport);
    expect(safe).toEqual({ safe: true, reasons: [] });
  });

  it("a receipt names all holders, at once or when waited for", async () => {
    const version = await cluster.put("n2", "a/b c", "value");
    const path = `/cluster/receipt?key=a/b%20c&version=${version}`;
    const waited = checked(await cluster.get("n3", `${path}&wait=all&timeout=20s`), ReceiptReport);
    expect(waited).toMatchObject({ key: "a/b c", version, everywhere: true, lacking: [], unknown: [] });
    await cluster.until("complete", async () => {
      const { body } = await cluster.get("n1", path);
      return JSON.stringify(body).includes('"complete":true');
    });
  });

  it("a batch tells of each write how many replicas hold it, when it waits for them", async () => {
    const operations = [
      { op: "put", key: "batch/a", value: "YQ==" },
      { op: "get", key: "batch/a" },
      { op: "delete", key: "batch/b" },
    ];
    const acks = async (query: string): Promise<unknown> =>
      (await cluster.post("n2", `/kv${query}`, { operations })).body;
    expect(await acks("?ack=all&timeout=20s")).toMatchObject({
      results: [{ acks: 3 }, { found: false }, { acks: 3 }],
    });
    expect(await acks("")).toMatchObject({ results: [{ acks: 1 }, { found: true }, { acks: 1 }] });
  });

  it.each([
    ["/cluster/receipt?key=k", 400, "invalid_query"],
    ["/cluster/receipt?key=k&version=1", 400, "invalid_query"],
    ["/cluster/receipt?key=&version=1", 400, "invalid_key"],
    ["/cluster/receipt?key=k&version=1&wait=some", 400, "invalid_query"],
    ["/cluster/diff", 400, "invalid_query"],
    ["/cluster/diff?peer=nobody", 404, "member_not_found"],
    ["/cluster/diff?peer=n1", 404, "member_not_found"],
    ["/cluster/diff?peer=n2&limit=0", 400, "invalid_query"],
  ])("%s is refused with %i %s", async (path, status, code) => {
    expect(await cluster.get("n1", path)).toMatchObject({ status, body: { code } });
  });

  it("a dry run and a repair between equals find nothing, and the repair's stream has an end", async () => {
    await cluster.until("equal", async () => {
      const { body } = await cluster.get("n1", "/cluster/diff?peer=n2");
      return JSON.stringify(body).includes('"equal":true');
    });
    const diff = checked(await cluster.get("n1", "/cluster/diff?peer=n3"), DiffReport);
    expect(diff).toMatchObject({ peer: idOf("n3"), name: "n3", equal: true, keys: 0, items: [] });
    const { status, body } = await cluster.post("n1", "/cluster/repair", {});
    expect(status).toBe(200);
    const lines = Array.isArray(body) ? body : [];
    for (const line of lines) expect([line, validatorOf(RepairLine).Check(line)]).toEqual([line, true]);
    expect(lines.map(({ event }) => event)).toEqual(["begin", "done", "begin", "done", "end"]);
    expect(lines.at(-1)).toMatchObject({ members: 2, failed: 0, keysSent: 0, bytesReceived: 0 });
  });

  it.each([
    ["/cluster/repair", { peer: "nobody" }, 404, "member_not_found"],
    ["/cluster/repair", { peers: [] }, 400, "invalid_body"],
    ["/cluster/join", {}, 400, "invalid_body"],
    ["/cluster/join", { address: "127.0.0.1:1" }, 409, "already_member"],
    ["/cluster/forget", { node: "n2", confirm: true }, 409, "member_alive"],
    ["/cluster/forget", { node: "n1", confirm: true }, 409, "member_alive"],
    ["/cluster/forget", { node: "nobody" }, 404, "member_not_found"],
    ["/cluster/forget", {}, 400, "invalid_body"],
  ])("%s with %j is refused with %i %s", async (path, body, status, code) => {
    expect(await cluster.post("n1", path, body)).toMatchObject({ status, body: { code } });
  });

  it("takes no bodies that a page in a browser could send without asking", async () => {
    const url = `${cluster.server("n1").address}/cluster/leave`;
    for (const init of [{ body: "{}" }, {}]) {
      const answer = await fetch(url, { method: "POST", ...init });
      expect([answer.status, await answer.json()]).toMatchObject([415, { code: "unsupported_media_type" }]);
    }
  });

  it("forgets nobody when two are named for one", async () => {
    const answer = await fetch(`${cluster.server("n1").address}/cluster/forget`, {
      method: "POST",
      body: '{"node":"n2","node":"n3","confirm":true}',
      headers: { "content-type": "application/json" },
    });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: "invalid_body" }]);
  });

  it("readiness has the checks of a member, and none of them fails", async () => {
    const ready = checked(await cluster.get("n2", "/readyz?verbose"), Readiness);
    const names = ["retired", "joining", "clock", "complete", "other cluster", "silent loss"];
    for (const name of names) {
      expect(ready).toMatchObject({
        checks: expect.arrayContaining([expect.objectContaining({ name, ok: true })]),
      });
    }
  });

  it("metrics tell of members, watermark, rumors and exchanges", async () => {
    const { body } = await cluster.get("n1", "/metrics");
    expect(body).toMatch(/^hearsay_members\{state="alive"\} 3$/m);
    expect(body).toMatch(/^hearsay_members\{state="dead"\} 0$/m);
    expect(body).toMatch(/^hearsay_joining\{state="member"\} 1$/m);
    expect(body).toMatch(/^hearsay_joining\{state="not_let_in"\} 0$/m);
    expect(body).toMatch(/^hearsay_watermark_age_seconds [0-9.]+$/m);
    expect(body).toMatch(/^hearsay_rumor_requests_total [1-9]/m);
    expect(body).toMatch(/^hearsay_rumors_dropped_total\{reason="full"\} 0$/m);
    expect(body).toMatch(/^hearsay_states_ignored_total\{reason="stranger"\} 0$/m);
    expect(body).toMatch(/^hearsay_peer_messages_total\{kind="exchange-start"\} [1-9]/m);
    expect(body).toMatch(/^hearsay_events_total\{event="hearsay_exchanges_total"\} [1-9]/m);
  });
});

describe("who belongs to the cluster", () => {
  let cluster: RunningCluster;

  const begin = async (...names: readonly string[]): Promise<void> => {
    cluster = new RunningCluster();
    await cluster.start(...names);
  };
  const size = async (name: string): Promise<number> => {
    const { body } = await cluster.get(name, "/cluster");
    const totals: unknown = typeof body === "object" && body !== null && "totals" in body ? body.totals : {};
    return Number((totals as { members?: unknown }).members);
  };

  afterEach(() => cluster.dispose());

  it("a node that was alone joins by a call, with what it holds", async () => {
    await begin("n1");
    await cluster.run("n2");
    await cluster.put("n1", "first", "v");
    await cluster.put("n2", "second", "v");
    // The retention of the other tests would make these records too old within a second.
    const joined = checked(
      await cluster.post("n2", "/cluster/join", { address: cluster.address("n1") }),
      JoinReport,
    );
    expect(joined).toMatchObject({ node: idOf("n2"), state: "member", members: 2 });
    for (const [name, key] of [
      ["n1", "second"],
      ["n2", "first"],
    ] as const) {
      await cluster.until(
        `${name} holds ${key}`,
        async () => (await cluster.get(name, `/kv/${key}`)).status === 200,
      );
    }
    const again = await cluster.post("n2", "/cluster/join", { address: cluster.address("n1") });
    expect(again).toMatchObject({ status: 409, body: { code: "already_member", members: 2 } });
  });

  it("a node that cannot join goes on alone, and says why it cannot", async () => {
    await begin("n1");
    await cluster.run("n2", undefined, { "limits.maxValueBytes": "4096" });
    const join = (address: string): Promise<Asked> => cluster.post("n2", "/cluster/join", { address });
    const unreachable = { code: "peer_unreachable", outcome: "none" };
    expect(await join("127.0.0.1:1")).toMatchObject({ status: 502, body: unreachable });
    await cluster.run("n3", undefined, { cluster: "other" });
    expect(await join(cluster.address("n3"))).toMatchObject({
      status: 502,
      body: { ...unreachable, reason: "wrong_cluster", next: expect.stringContaining("cluster name") },
    });
    await cluster.run("n4", undefined, { "security.clusterSecret": "0123456789abcdef" });
    expect(await join(cluster.address("n4"))).toMatchObject({
      body: { ...unreachable, reason: "auth_missing", next: expect.stringContaining("clusterSecret") },
    });
    expect(await cluster.post("n4", "/cluster/join", { address: cluster.address("n1") })).toMatchObject({
      body: { ...unreachable, reason: "auth_missing", next: expect.stringContaining("has no security.") },
    });
    await cluster.run("n5", undefined, { "security.clusterSecret": "another 0123456789abcdef" });
    expect(await cluster.post("n5", "/cluster/join", { address: cluster.address("n4") })).toMatchObject({
      body: { ...unreachable, reason: "auth_wrong", next: expect.stringContaining("different secrets") },
    });
    for (const address of ["169.254.1.1:80", "nonsense"]) {
      expect(await join(address)).toMatchObject({ status: 400, body: { code: "peer_address_refused" } });
    }
    expect(await join(cluster.address("n2"))).toMatchObject({ status: 400, body: { code: "invalid_body" } });
    const refused = { code: "limits_differ", detail: expect.stringContaining("maxValueBytes") };
    expect(await join(cluster.address("n1"))).toMatchObject({ status: 503, body: refused });
    await cluster.put("n2", "k", "still taken");
  });

  it("a node does not join with records that the cluster would take for deleted ones", async () => {
    await begin("n1");
    await cluster.run("n2");
    await cluster.put("n2", "old", "v");
    await cluster.until("the floor has passed it", async () => {
      const { body } = await cluster.get("n1", "/cluster/tombstones");
      const floor: unknown = typeof body === "object" && body !== null && "floor" in body ? body.floor : null;
      return typeof floor === "string" && Date.parse(floor) > Date.now() - 1500 && (await isOld(floor));
    });
    const answer = await cluster.post("n2", "/cluster/join", { address: cluster.address("n1") });
    expect(answer).toMatchObject({ status: 409, body: { code: "records_too_old" } });
    expect((await cluster.get("n2", "/kv/old")).status).toBe(200);

    async function isOld(floor: string): Promise<boolean> {
      const { body } = await cluster.get("n2", "/kv/old?siblings=all");
      return [...JSON.stringify(body).matchAll(/"time":"([^"]+)"/g)].every(
        ([, time]) => (time ?? "") < floor,
      );
    }
  });

  it("a member that is down is forgotten only when that is confirmed, and named as what blocks until then", async () => {
    await begin("n1", "n2");
    await cluster.stop("n2");
    await cluster.until("n1 knows", async () =>
      JSON.stringify(await cluster.get("n1", "/cluster")).includes("stopped"),
    );
    await fetch(`${cluster.server("n1").address}/kv/gone`, { method: "DELETE" });
    const tombstones = checked(await cluster.get("n1", "/cluster/tombstones"), TombstoneReport);
    expect(tombstones).toMatchObject({
      count: 1,
      blockedBy: [{ name: "n2", state: "stopped" }],
      items: [{ key: "gone" }],
    });
    expect(await cluster.get("n1", "/kv/gone?ack=all&timeout=1ms")).toMatchObject({
      status: 504,
      body: { code: "ack_timeout", outcome: "none", acks: 1, next: expect.stringMatching(/^Read again/) },
    });
    const asked = await cluster.post("n1", "/cluster/forget", { node: "n2" });
    const losses = { node: idOf("n2"), heldThrough: expect.stringMatching(/^20/) };
    const detail = expect.stringMatching(
      /wrote or was given after 20.* what a member that has left wrote and gave to it/,
    );
    expect(asked).toMatchObject({ status: 400, body: { code: "confirmation_needed", detail, ...losses } });
    expect(await size("n1")).toBe(2);
    const safe = await cluster.get("n1", "/cluster/safe-to-stop");
    expect(safe.body).toMatchObject({ safe: false, reasons: [{ code: "only_live_member" }] });
    const forgotten = checked(
      await cluster.post("n1", "/cluster/forget", { node: "n2", confirm: true }),
      ForgetReport,
    );
    expect(forgotten).toMatchObject({ ...losses, name: "n2" });
    expect(await size("n1")).toBe(1);
    await cluster.until("the tombstone goes", async () => {
      const { body } = await cluster.get("n1", "/cluster/tombstones");
      return JSON.stringify(body).includes('"count":0');
    });
  });

  it("a member leaves with all it held, and its process may end", async () => {
    await begin("n1", "n2");
    await cluster.put("n2", "k", "v");
    const left = checked(await cluster.post("n2", "/cluster/leave", {}), LeaveReport);
    expect(left).toEqual({ node: idOf("n2"), left: true });
    await cluster.server("n2").left;
    const { status, body } = await cluster.get("n2", "/readyz?verbose");
    expect([status, body]).toMatchObject([503, { ready: false }]);
    expect(await cluster.get("n2", "/cluster/convergence")).toMatchObject({
      status: 403,
      body: { code: "retired" },
    });
    await cluster.until("n1 is alone", async () => (await size("n1")) === 1);
    expect((await cluster.get("n1", "/kv/k")).status).toBe(200);
    const last = await cluster.post("n1", "/cluster/leave", {});
    expect(last).toMatchObject({ status: 409, body: { code: "leave_impossible" } });
  });
});
