import { PROBLEMS } from "@hearsay/api";
import { formatVersion, hlcFromMs } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Harness, harness, START_MS } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

async function put(key: string, value: string, headers: Record<string, string> = {}, query = "") {
  return h.app.inject({ method: "PUT", url: `/kv/${key}${query}`, payload: Buffer.from(value), headers });
}

describe("a key", () => {
  it("comes back with its bytes, its type, its version and its context", async () => {
    const bytes = Buffer.from([0, 1, 2, 253, 254, 255, 10, 13]);
    const written = await h.app.inject({
      method: "PUT",
      url: "/kv/a/b",
      payload: bytes,
      headers: { "content-type": "application/json" },
    });
    expect(written.statusCode).toBe(201);
    const { key, version, context, acks } = written.json();
    expect({ key, acks }).toEqual({ key: "a/b", acks: 1 });
    const read = await h.app.inject({ url: "/kv/a/b" });
    expect(read.statusCode).toBe(200);
    expect(read.rawPayload).toEqual(bytes);
    expect(read.headers).toMatchObject({
      "content-type": "application/json",
      "content-length": "8",
      etag: `"${version}"`,
      "hearsay-context": context,
      "hearsay-node": h.services.node.id,
      "last-modified": new Date(START_MS).toUTCString(),
      "hearsay-complete-through": new Date(START_MS - 1).toISOString(),
    });
    expect(read.headers["hearsay-conflicts"]).toBeUndefined();
    const head = await h.app.inject({ method: "HEAD", url: "/kv/a/b" });
    expect(head.rawPayload.length).toBe(0);
    expect(head.headers).toMatchObject({ etag: `"${version}"`, "content-length": "8" });
  });

  it.each([
    ["text/html", "sandbox"],
    ["image/svg+xml", "sandbox"],
    ["no type at all", "sandbox"],
    ["text/plain; charset=utf-8", undefined],
    ["application/json", undefined],
  ])("of type %s is shown to a browser with the policy %s", async (type, policy) => {
    await put("k", "<script>", { "content-type": type });
    const { headers } = await h.app.inject({ url: "/kv/k" });
    expect([headers["content-type"], headers["content-security-policy"]]).toEqual([type, policy]);
    expect(headers["x-content-type-options"]).toBe(policy === undefined ? undefined : "nosniff");
  });

  it("answers 200 for a replacement, and a large value as it is", async () => {
    await put("k", "one");
    const large = Buffer.alloc(300_000, 7);
    const second = await h.app.inject({ method: "PUT", url: "/kv/k", payload: large });
    expect(second.statusCode).toBe(200);
    expect((await h.app.inject({ url: "/kv/k" })).rawPayload.equals(large)).toBe(true);
  });

  it("stores bytes without a type as octets, and an empty value as one", async () => {
    expect((await h.app.inject({ method: "PUT", url: "/kv/empty" })).statusCode).toBe(201);
    const read = await h.app.inject({ url: "/kv/empty" });
    expect([read.statusCode, read.headers["content-type"], read.rawPayload.length]).toEqual([
      200,
      "application/octet-stream",
      0,
    ]);
  });

  it("is deleted with a version, also when it was absent, and says so afterwards", async () => {
    await put("k", "v");
    const deleted = await h.app.inject({ method: "DELETE", url: "/kv/k" });
    expect(deleted.statusCode).toBe(200);
    const read = await h.app.inject({ url: "/kv/k" });
    expect(read.statusCode).toBe(404);
    expect(read.headers["content-type"]).toBe("application/problem+json");
    expect(read.json()).toMatchObject({ code: "not_found", deleted: true, version: deleted.json().version });
    expect(read.headers["hearsay-context"]).toBe(deleted.json().context);
    expect((await h.app.inject({ method: "DELETE", url: "/kv/never" })).statusCode).toBe(200);
    expect((await h.app.inject({ url: "/kv/unknown" })).json()).toMatchObject({ deleted: false });
    expect((await put("k", "again")).statusCode).toBe(201);
  });

  it("expires", async () => {
    await put("k", "v", {}, "?ttl=30s");
    const read = await h.app.inject({ url: "/kv/k" });
    expect(read.headers["hearsay-expires"]).toBe(new Date(START_MS + 30_000).toISOString());
    h.clock.ms += 29_999;
    expect((await h.app.inject({ url: "/kv/k" })).statusCode).toBe(200);
    h.clock.ms += 1;
    expect((await h.app.inject({ url: "/kv/k" })).statusCode).toBe(404);
    expect((await put("k", "v")).statusCode).toBe(201);
  });

  it("is not shown before its write is committed", async () => {
    h.store.hold();
    const pending = h.store.nextPut();
    const writing = put("k", "v");
    await pending;
    expect((await h.app.inject({ url: "/kv/k" })).statusCode).toBe(404);
    h.store.release();
    expect((await writing).statusCode).toBe(201);
    expect((await h.app.inject({ url: "/kv/k" })).body).toBe("v");
  });

  it("keeps both of two writes that did not see each other, until one sees both", async () => {
    await put("k", "one", { "hearsay-context": "" });
    await put("k", "two", { "hearsay-context": "" });
    const read = await h.app.inject({ url: "/kv/k" });
    expect([read.body, read.headers["hearsay-conflicts"]]).toEqual(["two", "1"]);
    const list = (await h.app.inject({ url: "/kv/k?siblings=all" })).json();
    expect(list.siblings.map((s: { value: string }) => Buffer.from(s.value, "base64").toString())).toEqual([
      "two",
      "one",
    ]);
    const conflicts = (await h.app.inject({ url: "/conflicts" })).json();
    expect(conflicts).toMatchObject({ items: [{ key: "k", context: list.context }], next: null });
    expect((await put("k", "both", { "hearsay-context": list.context })).statusCode).toBe(200);
    expect((await h.app.inject({ url: "/conflicts" })).json().items).toEqual([]);
    expect((await h.app.inject({ url: "/kv/k" })).headers["hearsay-conflicts"]).toBeUndefined();
  });

  it("says beside a deletion that a value which it had not seen is still there", async () => {
    const { context } = (await put("k", "one")).json();
    await put("k", "two", { "hearsay-context": context });
    const removal = { method: "DELETE", url: "/kv/k", headers: { "hearsay-context": context } } as const;
    const { version } = (await h.app.inject(removal)).json();
    const read = await h.app.inject({ url: "/kv/k" });
    expect([read.statusCode, read.json()]).toMatchObject([404, { deleted: true, version }]);
    expect(read.headers["hearsay-conflicts"]).toBe("1");
    const payload = { operations: [{ op: "get", key: "k" }] };
    const [found] = (await h.app.inject({ method: "POST", url: "/kv", payload })).json().results;
    expect(found).toMatchObject({ found: false, deleted: true, conflicts: 1 });
    await h.app.inject({ ...removal, headers: { "hearsay-context": found.context } });
    expect((await h.app.inject({ url: "/kv/k" })).headers["hearsay-conflicts"]).toBeUndefined();
  });

  it("has a history", async () => {
    await put("k", "one");
    await put("k", "two");
    await h.app.inject({ method: "DELETE", url: "/kv/k" });
    const { versions } = (await h.app.inject({ url: "/kv/k?history=true" })).json();
    expect(versions.map((v: { deleted: boolean; value?: string }) => v.value ?? v.deleted)).toEqual([
      true,
      "dHdv",
      "b25l",
    ]);
    expect(versions[0]).toMatchObject({ node: h.services.node.id, time: new Date(START_MS).toISOString() });
    expect((await h.app.inject({ url: "/kv/none?history=true" })).statusCode).toBe(404);
  });
});

describe("conditions", () => {
  it("answer 304 to a reader who has the version, and 412 to one who names another", async () => {
    const { version } = (await put("k", "v")).json();
    for (const tag of [`"${version}"`, `W/"${version}"`, `"x", "${version}"`, "*"]) {
      const read = await h.app.inject({ url: "/kv/k", headers: { "if-none-match": tag } });
      expect([tag, read.statusCode, read.rawPayload.length]).toEqual([tag, 304, 0]);
      expect(read.headers.etag).toBe(`"${version}"`);
      expect(read.headers["content-length"]).toBeUndefined();
    }
    const reads = (headers: Record<string, string>) => h.app.inject({ url: "/kv/k", headers });
    expect((await reads({ "if-none-match": '"other"' })).statusCode).toBe(200);
    expect((await reads({ "if-match": '"other"' })).statusCode).toBe(412);
    expect((await reads({ "if-match": `W/"${version}"` })).statusCode).toBe(412);
    expect((await reads({ "if-match": `"other", "${version}"` })).statusCode).toBe(200);
    expect((await reads({ "if-modified-since": new Date(START_MS).toUTCString() })).statusCode).toBe(304);
    expect((await reads({ "if-modified-since": new Date(START_MS - 1000).toUTCString() })).statusCode).toBe(
      200,
    );
    expect((await reads({ "if-unmodified-since": new Date(START_MS - 1000).toUTCString() })).statusCode).toBe(
      412,
    );
    expect((await reads({ "if-match": "nonsense" })).json()).toMatchObject({ code: "invalid_header" });
  });

  it("let a write through only where they hold, and change nothing otherwise", async () => {
    expect((await put("k", "one", { "if-match": "*" })).statusCode).toBe(412);
    const first = await put("k", "one", { "if-none-match": "*" });
    expect(first.statusCode).toBe(201);
    const refused = await put("k", "two", { "if-none-match": "*" });
    expect([refused.statusCode, refused.json().outcome]).toEqual([412, "none"]);
    expect((await put("k", "two", { "if-match": first.headers.etag as string })).statusCode).toBe(200);
    expect((await put("k", "three", { "if-match": first.headers.etag as string })).statusCode).toBe(412);
    expect((await h.app.inject({ url: "/kv/k" })).body).toBe("two");
    const removal = {
      method: "DELETE",
      url: "/kv/k",
      headers: { "if-match": first.headers.etag as string },
    } as const;
    expect((await h.app.inject(removal)).statusCode).toBe(412);
  });

  it("are checked against writes that are still on their way", async () => {
    h.store.hold();
    const pending = h.store.nextPut();
    const first = put("k", "one", { "if-none-match": "*" });
    await pending;
    const second = put("k", "two", { "if-none-match": "*" });
    expect((await second).statusCode).toBe(412);
    h.store.release();
    expect((await first).statusCode).toBe(201);
  });
});

describe("waiting", () => {
  it("takes 1, quorum and all as satisfied by the only node, and refuses what no cluster of one can give", async () => {
    for (const ack of ["1", "quorum", "all"])
      expect((await put("k", "v", {}, `?ack=${ack}`)).statusCode).toBeLessThan(300);
    const before = (await h.app.inject({ url: "/kv/k" })).headers.etag;
    const refused = await put("k", "w", {}, "?ack=2");
    expect([refused.statusCode, refused.json()]).toMatchObject([
      400,
      { code: "ack_exceeds_members", members: 1, outcome: "none" },
    ]);
    expect((await h.app.inject({ url: "/kv/k" })).headers.etag).toBe(before);
  });

  it("says that the outcome is unknown when the disk takes longer than was asked for", async () => {
    h.store.hold();
    const answer = await put("k", "v", {}, "?ack=1&timeout=5ms");
    expect([answer.statusCode, answer.json()]).toMatchObject([
      504,
      { code: "ack_timeout", outcome: "unknown", acks: 0 },
    ]);
    h.store.release();
  });

  it("answers a read after a version only once it is held", async () => {
    h.store.hold();
    const pending = h.store.nextPut();
    const writing = put("k", "v");
    await pending;
    const version = h.store.latest("k")?.siblings[0].version;
    if (version === undefined) throw new Error("nothing is pending");
    const after = { "hearsay-after": formatVersion(version) };
    const early = await h.app.inject({ url: "/kv/k?timeout=5ms", headers: after });
    expect([early.statusCode, early.json().code]).toEqual([503, "not_yet"]);
    expect(early.headers["retry-after"]).toBe("1");
    const reading = h.app.inject({ url: "/kv/other?timeout=20s", headers: after });
    await h.app.inject({ url: "/livez" });
    h.store.release();
    expect((await writing).statusCode).toBe(201);
    expect((await reading).statusCode).toBe(404);
    expect((await h.app.inject({ url: "/kv/k", headers: after })).body).toBe("v");
  });

  it("bounds how many wait", async () => {
    await h.close();
    h = await harness({ "limits.maxWaiters": 1 });
    const after = {
      "hearsay-after": formatVersion({ time: hlcFromMs(START_MS + 1), node: "other~0000000000" }),
    };
    const waiting = h.app.inject({ url: "/kv/k?timeout=300ms", headers: after });
    await h.app.inject({ url: "/livez" });
    const second = await h.app.inject({ url: "/kv/k?timeout=300ms", headers: after });
    expect(second.json().code).toBe("overloaded");
    expect((await waiting).json().code).toBe("not_yet");
    expect(h.services.node.waiting).toBe(0);
  });
});

describe("refusals", () => {
  const far = formatVersion({ time: hlcFromMs(START_MS + 60_000), node: "other~0000000000" });
  it.each([
    ["GET", "/kv/", {}, "invalid_key"],
    ["GET", `/kv/${"k".repeat(1025)}`, {}, "invalid_key"],
    ["GET", `/kv/${"k".repeat(8200)}`, {}, "uri_too_long"],
    ["GET", "/kv/%ff", {}, "invalid_key"],
    ["GET", "/kv/%ed%a0%80", {}, "invalid_key"],
    ["GET", "/kv/%4", {}, "invalid_key"],
    ["GET", "/kv/a?key=b", {}, "invalid_query"],
    ["GET", "/kv/a?siblings=some", {}, "invalid_query"],
    ["GET", "/kv/a?siblings=all&history=true", {}, "invalid_query"],
    ["GET", "/kv/a?wrong=1", {}, "invalid_query"],
    ["GET", "/kv/a?ack=1&ack=2", {}, "invalid_query"],
    ["GET", "/kv/a?ack=0", {}, "invalid_query"],
    ["GET", "/kv/a?timeout=5", {}, "invalid_query"],
    ["GET", "/kv/a", { "hearsay-after": "yesterday" }, "invalid_header"],
    ["PUT", "/kv/a?ttl=0s", {}, "invalid_query"],
    ["PUT", "/kv/a?ttl=soon", {}, "invalid_query"],
    ["PUT", "/kv/a", { "hearsay-context": "mine" }, "invalid_context"],
    ["PUT", "/kv/a", { "hearsay-context": far }, "clock_drift"],
    ["PUT", "/kv/a", { "content-encoding": "gzip" }, "unsupported_media_type"],
    ["PUT", "/kv/a", { "content-range": "bytes 0-1/5" }, "invalid_header"],
    ["PUT", "/kv/a", { "content-type": "x".repeat(256) }, "invalid_header"],
    ["DELETE", "/kv/a?ttl=5s", {}, "invalid_query"],
    ["GET", "/kv?limit=0", {}, "invalid_query"],
    ["GET", "/kv?nope", {}, "invalid_query"],
    // At once, without waiting for what nobody has.
    ["GET", "/kv?nope", { "hearsay-after": far }, "invalid_query"],
    ["GET", "/conflicts?nope", { "hearsay-after": far }, "invalid_query"],
    ["GET", "/snapshot?prefix=a", {}, "invalid_query"],
    ["GET", "/cluster?peer=n2", {}, "invalid_query"],
    ["PATCH", "/kv/a", {}, "method_not_allowed"],
    ["POST", "/livez", {}, "method_not_allowed"],
    ["POST", "/v1/kv/a", {}, "method_not_allowed"],
    ["GET", "/peer/probe", {}, "method_not_allowed"],
    ["GET", "/nowhere", {}, "route_not_found"],
    ["GET", "/%zz", {}, "bad_request"],
    ["GET", "/docs/static/../../package.json", {}, "route_not_found"],
    ["QUERY", "/kv/a", {}, "method_not_allowed"],
    ["PROPFIND", "/kv/a", { "content-type": "a/b" }, "method_not_allowed"],
    ["POST", "/restore?mode=wrong", {}, "invalid_query"],
    ["POST", "/restore", {}, "invalid_query"],
    ["POST", "/restore?mode=missing&revive=true", {}, "invalid_query"],
  ] as const)("%s %s with %j is %s", async (method, url, headers, code) => {
    const payload = method === "GET" ? {} : { payload: "x" };
    const answer = await h.app.inject({ method, url, headers: { ...headers }, ...payload });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.json()).toMatchObject({ code, status: PROBLEMS[code].status, next: PROBLEMS[code].next });
    expect(answer.statusCode).toBe(PROBLEMS[code].status);
    expect(h.store.committed.size).toBe(0);
  });

  it.each([
    ["/kv/a?wrong=1", 'There is no parameter "wrong" here; there are key, siblings, history, ack, timeout.'],
    ["/kv/a?siblings=some", '"siblings" is "all".'],
    ["/verify?deep=1", '"deep" is "true" or "false".'],
    ["/cluster/receipt?key=a", '"version" is missing.'],
    ["/kv?limit=0", '"limit" must match pattern "^[1-9][0-9]{0,8}$".'],
  ])("%s is refused in words that help", async (url, detail) => {
    expect((await h.app.inject({ url })).json()).toMatchObject({ code: "invalid_query", detail });
  });

  it.each([
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-site", origin: "http://localhost:3000" }, 403],
    [{ origin: "http://elsewhere.example" }, 403],
    [{ origin: "null" }, 403],
    [{ "sec-fetch-site": "same-origin", origin: "https://behind.a.proxy" }, 200],
    [{ origin: "http://n1:7171" }, 200],
    [{}, 200],
  ])("of a write with %j, by whose page it is: %i", async (headers, status) => {
    const payload = JSON.stringify({ operations: [{ op: "put", key: "k", value: "" }] });
    const told = { host: "n1:7171", ...headers };
    const answer = await h.app.inject({ method: "POST", url: "/kv", headers: told, payload });
    expect(answer.statusCode).toBe(status);
    expect(h.store.committed.size).toBe(status === 200 ? 1 : 0);
    expect((await h.app.inject({ url: "/kv", headers: told })).statusCode).toBe(200);
  });

  it("names the methods a path takes", async () => {
    const answer = await h.app.inject({ method: "POST", url: "/kv/a" });
    expect(answer.headers.allow).toBe("GET, HEAD, PUT, DELETE");
  });

  it("refuses values over the limit, declared or not, and keeps nothing of them in flight", async () => {
    await h.close();
    h = await harness({ "limits.maxValueBytes": 10 });
    expect((await put("k", "0123456789")).statusCode).toBe(201);
    const refused = await put("k", "01234567890");
    expect([refused.statusCode, refused.json()]).toMatchObject([
      413,
      { code: "body_too_large", maxBytes: 10 },
    ]);
    expect(h.services.budget.used).toBe(0);
  });

  it("tells of a full disk once an interval, however many writes it refuses", async () => {
    const refused = async (): Promise<void> => {
      h.store.failure = Object.assign(new Error("full"), { fault: { code: "disk_full", outcome: "none" } });
      expect((await put("k", "v")).statusCode).toBe(507);
    };
    for (let i = 0; i < 20; i++) await refused();
    expect(h.logged.filter((event) => event === "disk_full")).toHaveLength(1);
    h.clock.ms += 10_000;
    await refused();
    expect(h.logged.filter((event) => event === "disk_full")).toHaveLength(2);
  });

  it("hands on what the store says became of a write", async () => {
    const full = Object.assign(new Error("full"), { fault: { code: "disk_full", outcome: "unknown" } });
    h.store.failure = full;
    const unknown = await put("k", "v");
    expect([unknown.statusCode, unknown.json()]).toMatchObject([
      507,
      { code: "disk_full", outcome: "unknown" },
    ]);
    expect(unknown.headers["retry-after"]).toBe("1");
    h.store.failure = Object.assign(new Error("full"), { fault: { code: "disk_full", outcome: "none" } });
    expect((await put("k", "v")).json()).toMatchObject({ code: "disk_full", outcome: "none" });
    h.store.failure = new Error("a mistake of ours");
    expect((await put("k", "v")).json()).toMatchObject({ code: "internal", outcome: "unknown" });
    expect(h.logged).toContain("request_failed");
    expect(h.services.budget.used).toBe(0);
  });
});

describe("overload", () => {
  it("sheds scans first, then writes, then reads, and never health", async () => {
    const statuses = async () => [
      (await h.app.inject({ url: "/kv" })).statusCode,
      (await put("k", "v")).statusCode < 300 ? 200 : 503,
      (await h.app.inject({ url: "/kv/none" })).statusCode,
      (await h.app.inject({ url: "/livez" })).statusCode,
    ];
    expect(await statuses()).toEqual([200, 200, 404, 200]);
    h.services.gate.observeLag(101);
    expect(await statuses()).toEqual([503, 200, 404, 200]);
    h.services.gate.observeLag(301);
    expect(await statuses()).toEqual([503, 503, 404, 200]);
    h.services.gate.observeLag(1001);
    expect(await statuses()).toEqual([503, 503, 503, 200]);
    const shed = await h.app.inject({ url: "/kv/k" });
    expect([shed.json().code, shed.headers["retry-after"]]).toEqual(["overloaded", "1"]);
    expect(h.services.gate.shed).toEqual({ scan: 3, write: 2, read: 2 });
  });

  it("is told of by the head alone as well", async () => {
    for (const url of ["/livez", "/readyz", "/metrics"]) {
      const answer = await h.app.inject({ method: "HEAD", url });
      expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    }
  });

  it("takes nothing while it stops, and says so in its readiness", async () => {
    h.services.gate.enter("stopping");
    expect((await put("k", "v")).json()).toMatchObject({ code: "not_ready", outcome: "none" });
    const readiness = await h.app.inject({ url: "/readyz?verbose" });
    expect([readiness.statusCode, readiness.json().ready]).toEqual([503, false]);
    expect(readiness.json().checks[0]).toEqual({ name: "phase", ok: false, detail: "stopping" });
    expect((await h.app.inject({ url: "/livez" })).statusCode).toBe(200);
  });

  it("stays ready for reads with a full disk", async () => {
    h.store.condition = "full";
    const readiness = await h.app.inject({ url: "/readyz?verbose" });
    expect(readiness.statusCode).toBe(200);
    expect(readiness.json().checks).toContainEqual({
      name: "writes",
      ok: false,
      detail: "the disk is full; reads go on",
    });
    expect((await h.app.inject({ url: "/readyz" })).json()).toEqual({ ready: true });
  });
});
