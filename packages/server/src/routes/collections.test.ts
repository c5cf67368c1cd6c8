import { encodePlain } from "@hearsay/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Harness, harness } from "../testing/harness.ts";

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

async function put(key: string, value = key, query = ""): Promise<void> {
  const url = `/kv/${encodeURIComponent(key)}${query}`;
  expect((await h.app.inject({ method: "PUT", url, payload: Buffer.from(value) })).statusCode).toBeLessThan(
    300,
  );
}

function batch(operations: readonly object[], query = "") {
  return h.app.inject({ method: "POST", url: `/kv${query}`, payload: { operations } });
}

describe("a listing", () => {
  it("gives pages in byte order that follow one another without gaps", async () => {
    const keys = ["a", "a/1", "a/2", "b", "z", "é", "\u{ffff}", "\u{1f600}"];
    for (const key of [...keys].reverse()) await put(key);
    const seen: string[] = [];
    let after = "";
    for (let pages = 0; pages < 10; pages++) {
      const page = (await h.app.inject({ url: `/kv?limit=3${after}` })).json();
      seen.push(...page.items.map((item: { key: string }) => item.key));
      if (page.next === null) break;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
    expect(seen).toEqual(keys);
  });

  it.each([
    ["/kv", "application/json"],
    ["/kv", "application/x-ndjson"],
    ["/conflicts", "application/json"],
    ["/v1/kv/?recurse&stale", "application/json"],
    ["/v1/kv/?keys&stale", "application/json"],
  ])("of %s as %s does not end as one without what is damaged", async (url, accept) => {
    await put("a");
    vi.spyOn(h.store, "scan").mockImplementation(async () => ({
      entries: [],
      next: undefined,
      damaged: ["a"],
    }));
    const answer = h.app.inject({ url, headers: { accept } }).then(({ statusCode }) => statusCode);
    await expect(answer.catch(() => "cut off")).resolves.toSatisfy((it) => it === 500 || it === "cut off");
  });

  it("keeps to a prefix, leaves out what is deleted or expired, and gives values unless only keys are asked for", async () => {
    await put("p/1", "one");
    await put("p/2", "two", "?ttl=10s");
    await put("p/3", "three", "?ttl=60s");
    await put("q");
    await h.app.inject({ method: "DELETE", url: "/kv/p/1" });
    h.clock.ms += 10_000;
    const page = (await h.app.inject({ url: "/kv?prefix=p/" })).json();
    expect(page.next).toBeNull();
    expect(page.items).toMatchObject([
      { key: "p/3", size: 5, value: Buffer.from("three").toString("base64") },
    ]);
    expect(page.items[0].expiresAt).toMatch(/^2030-01-01T00:01:00/);
    const keys = (await h.app.inject({ url: "/kv?prefix=p/&keys=true" })).json();
    expect(keys.items[0].value).toBeUndefined();
  });

  it("ends a page early at its bytes and goes on from there", async () => {
    await h.close();
    h = await harness({ "limits.maxPageBytes": 1024 });
    for (const key of ["a", "b", "c"]) await put(key, "x".repeat(600));
    const page = (await h.app.inject({ url: "/kv" })).json();
    expect(page.items.map((item: { key: string }) => item.key)).toEqual(["a", "b"]);
    expect(page.next).toBe("b");
    expect((await h.app.inject({ url: "/kv?after=b" })).json()).toMatchObject({
      items: [{ key: "c" }],
      next: null,
    });
  });

  it("streams all of it as lines", async () => {
    for (let i = 0; i < 700; i++) await h.services.node.write(`k${i}`, text("v"), undefined);
    const answer = await h.app.inject({ url: "/kv", headers: { accept: "application/x-ndjson" } });
    expect(answer.headers["content-type"]).toBe("application/x-ndjson");
    const lines = answer.body.trimEnd().split("\n");
    expect(lines.length).toBe(700);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ key: "k0", value: "dg==" });
    const some = await h.app.inject({
      url: "/kv?limit=5&keys=true",
      headers: { accept: "application/x-ndjson" },
    });
    expect(some.body.trimEnd().split("\n").length).toBe(5);
  });

  it.each([
    ["application/x-ndjson;q=0", "application/json"],
    ["application/json, application/x-ndjson; q=0.000", "application/json"],
    ["*/*;q=0", "application/json"],
    ["application/x-ndjson-like", "application/json"],
    ["application/x-ndjson;q=0.5", "application/x-ndjson"],
    ["application/x-ndjson, */*;q=0", "application/x-ndjson"],
    ["application/json;q=0, Application/X-NDJSON;Q=0.001", "application/x-ndjson"],
  ])("answers Accept: %s with %s", async (accept, type) => {
    const answer = await h.app.inject({ url: "/kv", headers: { accept } });
    expect(answer.headers["content-type"]).toBe(type);
  });

  it("gives up its place when it ends", async () => {
    await h.app.inject({ url: "/kv" });
    await h.app.inject({ url: "/kv?limit=x" });
    await h.app.inject({ url: "/conflicts" });
    expect(h.services.gate.scans).toBe(0);
  });
});

function text(value: string) {
  return { kind: "value", bytes: Buffer.from(value), contentType: "text/plain", ttlMs: null } as const;
}

describe("a batch", () => {
  it("answers in order, and its reads see what was there before it", async () => {
    await put("old", "before");
    const answer = await batch([
      { op: "put", key: "old", value: "YWZ0ZXI=", contentType: "text/plain" },
      { op: "get", key: "old" },
      { op: "delete", key: "gone" },
      { op: "get", key: "missing" },
    ]);
    expect(answer.statusCode).toBe(200);
    expect(answer.json().results).toMatchObject([
      { op: "put", key: "old", acks: 1 },
      { op: "get", found: true, value: Buffer.from("before").toString("base64") },
      { op: "delete", key: "gone", acks: 1 },
      { op: "get", found: false, deleted: false },
    ]);
    expect((await h.app.inject({ url: "/kv/old" })).body).toBe("after");
    expect((await batch([{ op: "get", key: "gone" }])).json().results[0]).toMatchObject({
      found: false,
      deleted: true,
    });
  });

  it("takes MessagePack with values as they are", async () => {
    const payload = encodePlain({
      operations: [{ op: "put", key: "m", value: new Uint8Array([0, 255]), contentType: "x/y" }],
    });
    const answer = await h.app.inject({
      method: "POST",
      url: "/kv",
      payload: Buffer.from(payload),
      headers: { "content-type": "application/msgpack" },
    });
    expect(answer.statusCode).toBe(200);
    expect((await h.app.inject({ url: "/kv/m" })).rawPayload).toEqual(Buffer.from([0, 255]));
  });

  it.each([
    ["nothing where that is preferred", "respond-async, Return = Minimal; foo=1", false, 204],
    ["the results where another form is preferred", "return=minimalist", false, 200],
    ["the results where it reads something", "return=minimal", true, 200],
  ])("answers %s", async (_, prefer, reads, status) => {
    const operations = [
      { op: "put", key: "quiet", value: "YQ==" },
      ...(reads ? [{ op: "get", key: "quiet" }] : []),
    ];
    const answer = await h.app.inject({
      method: "POST",
      url: "/kv",
      payload: { operations },
      headers: { prefer },
    });
    expect(answer.statusCode).toBe(status);
    const applied = answer.headers["preference-applied"];
    if (status === 204) expect([answer.body, applied]).toEqual(["", "return=minimal"]);
    else expect([answer.json().results.length, applied]).toEqual([operations.length, undefined]);
    expect((await h.app.inject({ url: "/kv/quiet" })).body).toBe("a");
  });

  const good = { op: "put", key: "good", value: "" };
  it.each([
    ["an unknown operation", [good, { op: "copy", key: "a" }], "invalid_body"],
    ["no value", [good, { op: "put", key: "a" }], "invalid_body"],
    ["a value that is not base64", [good, { op: "put", key: "a", value: "*" }], "invalid_body"],
    ["an unknown member", [good, { op: "get", key: "a", extra: 1 }], "invalid_body"],
    ["an empty key", [good, { op: "get", key: "" }], "invalid_key"],
    ["a lone surrogate", [good, { op: "delete", key: "\ud800" }], "invalid_key"],
    ["a bad ttl", [good, { op: "put", key: "a", value: "", ttl: "1" }], "invalid_body"],
    ["a bad context", [good, { op: "put", key: "a", value: "", context: "?" }], "invalid_context"],
    [
      "a type that is no header",
      [good, { op: "put", key: "a", value: "", contentType: "a\nb" }],
      "invalid_body",
    ],
    [
      "a context from the future",
      [good, { op: "delete", key: "a", context: "zzzzzzzzzz0-n~0000000000" }],
      "invalid_context",
    ],
    [
      "a context ahead of the clock",
      [good, { op: "delete", key: "a", context: "1yzzzzzzzzz-n~0000000000" }],
      "clock_drift",
    ],
    ["nothing", [], "invalid_body"],
  ] as const)("with %s is refused whole", async (_, operations, code) => {
    const answer = await batch(operations);
    expect(answer.json()).toMatchObject({ code, outcome: "none" });
    expect(h.store.committed.size).toBe(0);
    expect(h.services.budget.used).toBe(0);
  });

  it.each([
    [{ op: "get", key: "a", extra: 1 }, 'There is no field "operations/0/extra" here.'],
    [{ op: "put", key: "a" }, '"operations/0/value" is missing.'],
  ])("says of %j what is wrong", async (operation, detail) => {
    expect((await batch([operation])).json()).toMatchObject({ detail });
  });

  it.each([
    '{"operations":[{"op":"put","key":"a","key":"b","value":""}]}',
    '{"operations":[{"op":"get","key":"a"}],"operations":[{"op":"put","key":"a","value":""}]}',
  ])("of which it is not clear what is meant is refused: %s", async (payload) => {
    const headers = { "content-type": "application/json" };
    const answer = await h.app.inject({ method: "POST", url: "/kv", payload, headers });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      400,
      {
        code: "invalid_body",
        detail: "A field is there twice in one object.",
        next: expect.any(String),
        outcome: "none",
      },
    ]);
    expect(h.store.committed.size).toBe(0);
  });

  it("reads no more than a page holds, and writes nothing where it asks for more", async () => {
    await h.close();
    h = await harness({ "limits.maxPageBytes": 1024, "limits.maxScans": 1 });
    await put("large", "x".repeat(600));
    const read = { op: "get", key: "large" };
    expect((await batch([read, read])).json().results).toHaveLength(2);
    const write = { op: "put", key: "new", value: "" };
    expect((await batch([write, read, read, read])).json()).toMatchObject({
      code: "body_too_large",
      outcome: "none",
      maxBytes: 1024,
    });
    expect(h.store.committed.has("new")).toBe(false);
    const leave = h.services.gate.enterScan();
    expect((await batch([write, read])).json()).toMatchObject({ code: "overloaded", outcome: "none" });
    expect((await batch([write])).statusCode).toBe(200);
    leave();
    expect(h.services.gate.scans).toBe(0);
  });

  it("is refused before it is decoded when it is not what it says", async () => {
    const post = (payload: Buffer, type: string) =>
      h.app.inject({ method: "POST", url: "/kv", payload, headers: { "content-type": type } });
    expect((await post(Buffer.from("{"), "application/json")).json().code).toBe("invalid_body");
    expect((await post(Buffer.from([0xff]), "application/json; charset=utf-8")).json().code).toBe(
      "invalid_body",
    );
    expect((await post(Buffer.from("a"), "text/plain")).json().code).toBe("unsupported_media_type");
    const record = Buffer.from([0xd4, 0x72, 0x40]);
    expect((await post(record, "application/msgpack")).json()).toMatchObject({
      code: "invalid_body",
      detail: expect.stringContaining("type_not_allowed"),
    });
    expect((await post(Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]), "application/msgpack")).statusCode).toBe(
      400,
    );
  });

  it("keeps a value in it within the limit of values", async () => {
    await h.close();
    h = await harness({ "limits.maxValueBytes": 2 });
    const answer = await batch([{ op: "put", key: "a", value: Buffer.from("abc").toString("base64") }]);
    expect(answer.json()).toMatchObject({ code: "body_too_large", maxBytes: 2 });
  });
});

describe("the description", () => {
  it("names every path, and shows in /docs without reaching outside", async () => {
    const { paths } = (await h.app.inject({ url: "/openapi.json" })).json();
    for (const path of [
      "/kv/{key}",
      "/kv",
      "/conflicts",
      "/snapshot",
      "/restore",
      "/cluster/tombstones",
      "/cluster/ghosts",
      "/cluster/ghosts/discard",
      "/metrics",
      "/livez",
      "/readyz",
    ]) {
      expect(Object.keys(paths)).toContain(path);
    }
    expect(paths["/kv/{key}"].put.requestBody.content["*/*"]).toBeDefined();
    expect(
      paths["/kv"].post.requestBody.content["application/json"].schema.properties.operations,
    ).toBeDefined();
    expect(paths["/kv/{key}"].head).toBeDefined();
    expect(paths["/kv/{key}"].get.responses["200"].headers).toHaveProperty("Hearsay-Conflicts");
    const queryOf = ({ parameters }: { parameters: { in: string; name: string }[] }): string[] =>
      parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
    expect(queryOf(paths["/kv/{key}"].delete)).toEqual(["key", "ack", "timeout"]);
    expect(queryOf(paths["/kv"].post)).toEqual(["ack", "timeout"]);
    const page = await h.app.inject({ url: "/docs/" });
    expect(page.statusCode).toBe(200);
    expect(page.headers["content-security-policy"]).not.toMatch(/https?:|upgrade/);
  });
});
