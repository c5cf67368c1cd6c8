import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { Client } from "./client.ts";
import { HearsayError } from "./fault.ts";
import type { FetchInit, Platform } from "./platform.ts";
import type { RetryPolicy } from "./transport.ts";

type Step = Response | Error | ((url: string, init: FetchInit) => Promise<Response>);

/** A platform whose network plays a script and whose pauses are over at once but written down. */
function scripted(steps: readonly Step[]): {
  readonly platform: Platform;
  readonly urls: string[];
  readonly pauses: number[];
} {
  const urls: string[] = [];
  const pauses: number[] = [];
  const rest = [...steps];
  const platform: Platform = {
    fetch: async (url, init) => {
      urls.push(url);
      const step = rest.shift();
      if (step === undefined) throw new Error("the script is over");
      if (step instanceof Error) throw step;
      return typeof step === "function" ? step(url, init) : step;
    },
    nowMs: () => 0,
    random: () => 0.5,
    // Deadlines of 10 s and more never pass here; shorter waits are pauses between attempts.
    schedule: (ms, callback) => {
      if (ms >= 10_000) return () => undefined;
      pauses.push(ms);
      queueMicrotask(callback);
      return () => undefined;
    },
  };
  return { platform, urls, pauses };
}

const A = "http://a:1";
const B = "http://b:2";
const C = "http://c:3";

function client(platform: Platform, retry: Partial<RetryPolicy> = {}): Client {
  return new Client({ endpoints: [A, B], platform, retry });
}

function refused(): Error {
  return new TypeError("fetch failed", {
    cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED", syscall: "connect" }),
  });
}

function reset(): Error {
  return new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) });
}

function problem(status: number, code: string, extra: object = {}, headers: object = {}): Response {
  const body = { status, code, title: code, next: "wait", ...extra };
  return new Response(JSON.stringify(body), { status, headers: { ...headers } });
}

function value(): Response {
  return new Response("v", { headers: { etag: '"1-n"', "content-type": "text/plain" } });
}

function written(): Response {
  return Response.json({ key: "k", version: "1-n", context: "", acks: 1 }, { status: 201 });
}

const described = { code: "x", title: "t", next: "n" };

async function failure(promise: Promise<unknown>): Promise<HearsayError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof HearsayError) return error;
  throw new Error(`expected a HearsayError, got ${String(error)}`);
}

describe("failover", () => {
  it("goes to the next endpoint at once, and stays with the one that answered", async () => {
    const { platform, urls, pauses } = scripted([refused(), value(), value()]);
    const subject = client(platform);
    expect((await subject.get("k")).kind).toBe("value");
    await subject.get("k");
    expect(urls).toEqual([`${A}/kv/k`, `${B}/kv/k`, `${B}/kv/k`]);
    expect(pauses).toEqual([]);
  });

  it("pauses after each round, up to a ceiling that doubles and is capped", async () => {
    const { platform, urls, pauses } = scripted(Array.from({ length: 8 }, refused));
    const error = await failure(client(platform, { rounds: 4, baseMs: 100, capMs: 250 }).get("k"));
    expect(error).toMatchObject({ code: "unreachable", outcome: "none", attempts: 8 });
    expect(urls).toHaveLength(8);
    expect(pauses).toEqual([50, 100, 125]);
  });

  it("waits as long as Retry-After says, within the cap", async () => {
    const busy = (seconds: string): Response => problem(503, "overloaded", {}, { "retry-after": seconds });
    const { platform, pauses } = scripted([busy("1"), busy("1"), busy("60"), busy("60"), value()]);
    await client(platform, { capMs: 3_000 }).get("k");
    expect(pauses).toEqual([1_000, 3_000]);
  });

  it("waits as long as the longest Retry-After of a round says, also of a proxy and as a date", async () => {
    const page = (retryAfter: string): Response =>
      new Response("<html>", { status: 503, headers: { "retry-after": retryAfter } });
    const steps = [
      problem(503, "overloaded", {}, { "retry-after": "2" }),
      refused(),
      ...[page("1"), page("Thu, 01 Jan 1970 00:00:03 GMT")],
      ...[page("Wed, 31 Dec 1969 00:00:00 GMT"), page("soon")],
      ...[refused(), value()],
    ];
    const { platform, urls, pauses } = scripted(steps);
    await client(platform, { rounds: 4, baseMs: 8, capMs: 5_000 }).get("k");
    expect(pauses).toEqual([2_000, 3_000, 16]);
    expect(urls).toHaveLength(8);
  });

  it("goes by the status of the answer, whatever its body says", async () => {
    const { platform } = scripted([Response.json({ ...described, status: 400 }, { status: 502 })]);
    const error = await failure(client(platform).put("k", "v"));
    expect(error).toMatchObject({ code: "x", outcome: "unknown", fault: { problem: { status: 502 } } });
  });

  it.each([
    ["breaks", () => reset()],
    ["is a proxy without a node", () => new Response("<html>", { status: 502 })],
    ["has a full disk", () => problem(507, "disk_full", { outcome: "unknown" })],
  ])("begins behind an endpoint that %s, though the write is not repeated", async (_, fails) => {
    const { platform, urls } = scripted([fails(), refused(), fails(), written(), written()]);
    const subject = new Client({ endpoints: [A, B, C], platform });
    expect(await failure(subject.put("k", "v"))).toMatchObject({ outcome: "unknown", attempts: 1 });
    expect(await failure(subject.put("k", "v"))).toMatchObject({ outcome: "unknown", attempts: 2 });
    await subject.put("k", "v");
    await subject.put("k", "v");
    expect(urls.map((url) => new URL(url).origin)).toEqual([A, B, C, A, A]);
  });

  it("begins behind an endpoint whose answer is no node's", async () => {
    const page = (status: number): Response => new Response("<html>", { status });
    const calls: ((subject: Client) => Promise<unknown>)[] = [
      (subject) => subject.get("k"),
      (subject) => subject.put("k", "v"),
      (subject) => subject.batch([{ op: "put", key: "k", value: "v" }]),
    ];
    for (const call of calls) {
      for (const status of [200, 404]) {
        const { platform, urls } = scripted([page(status), value()]);
        const subject = client(platform);
        expect(await failure(call(subject))).toMatchObject({ code: "bad_answer", attempts: 1 });
        await subject.get("k");
        expect(urls.map((url) => new URL(url).origin)).toEqual([A, B]);
      }
    }
  });

  it("stays with a node that refuses, and with one that another call has found meanwhile", async () => {
    let lose = (_: Error): void => undefined;
    const held = new Promise<Response>((_resolve, reject) => {
      lose = reject;
    });
    const refusal = problem(400, "invalid_key", { outcome: "none" });
    const { platform, urls } = scripted([refusal, () => held, refused(), written(), written()]);
    const subject = new Client({ endpoints: [A, B, C], platform });
    await failure(subject.put("k", "v"));
    const slow = failure(subject.put("k", "v"));
    await subject.put("k", "v");
    lose(reset());
    await slow;
    await subject.put("k", "v");
    expect(urls.map((url) => new URL(url).origin)).toEqual([A, A, A, B, B]);
  });

  it("does not repeat what another node would refuse as well", async () => {
    const { platform, urls } = scripted([problem(400, "invalid_key")]);
    expect(await failure(client(platform).get("k"))).toMatchObject({ code: "invalid_key", attempts: 1 });
    expect(urls).toHaveLength(1);
  });

  it("takes a proxy's word that its node is away, without a description of the problem, for an away node", async () => {
    const page = (status: number): Response => new Response("<html>", { status });
    const { platform, urls, pauses } = scripted([
      page(502),
      page(503),
      page(504),
      value(),
      page(502),
      page(404),
    ]);
    const subject = client(platform);
    expect((await subject.get("k")).kind).toBe("value");
    expect(urls).toEqual([`${A}/kv/k`, `${B}/kv/k`, `${A}/kv/k`, `${B}/kv/k`]);
    expect(pauses).toHaveLength(1);
    // The proxy does not say how far a write came.
    expect(await failure(subject.put("k", "v"))).toMatchObject({ code: "bad_answer", outcome: "unknown" });
    expect(await failure(subject.get("k"))).toMatchObject({ code: "bad_answer", attempts: 1 });
  });

  it("calls an answer that is no node's a bad answer", async () => {
    const { platform } = scripted([new Response("<html>", { status: 404 })]);
    expect((await failure(client(platform).put("k", "v"))).code).toBe("bad_answer");
  });
});

describe("a time-out", () => {
  /** How often the wait for an answer in so many parts starts anew. */
  async function waits(parts: number, partBytes: number): Promise<number> {
    let armed = 0;
    let left = parts;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        left -= 1;
        if (left < 0) controller.close();
        else controller.enqueue(new Uint8Array(partBytes));
      },
    });
    const platform: Partial<Platform> = {
      fetch: async () => new Response(body, { headers: { etag: '"1-n"' } }),
      schedule: () => {
        armed += 1;
        return () => undefined;
      },
    };
    const found = await new Client({ endpoints: [A], platform }).get("k");
    expect(found).toMatchObject({ kind: "value", bytes: { length: parts * partBytes } });
    return armed;
  }

  it("is the one that was asked for, and longer only where the node is asked to wait", async () => {
    const times: number[] = [];
    const platform: Partial<Platform> = {
      fetch: async (_, { timeoutMs }) => {
        times.push(timeoutMs);
        return written();
      },
      schedule: (ms) => {
        times.push(ms);
        return () => undefined;
      },
    };
    const subject = new Client({ endpoints: [A], timeoutMs: 500, platform });
    await subject.put("k", "v");
    expect(new Set(times.splice(0))).toEqual(new Set([500]));
    await subject.put("k", "v", { ack: "all", ackTimeoutMs: 3_000 });
    expect(new Set(times)).toEqual(new Set([5_000]));
  });

  it("is put off by an answer that makes headway, and not by one that trickles", async () => {
    expect(await waits(100, 1)).toBe(2);
    expect(await waits(10, 65_536)).toBe(12);
  });
});

describe("writes", () => {
  it("are repeated when nothing was sent, or the node says that nothing was done", async () => {
    const full = problem(503, "overloaded", { outcome: "none" });
    const { platform, urls } = scripted([refused(), full, written()]);
    expect((await client(platform).put("k", "v")).created).toBe(true);
    expect(urls).toHaveLength(3);
  });

  it("are repeated when the node has closed the connection on which nothing came, just as it was used", async () => {
    const { platform, urls } = scripted([problem(408, "request_timeout"), written()]);
    await client(platform).put("k", "v");
    expect(urls).toHaveLength(2);
  });

  it("are definitely not done where a header cannot be sent, or fetch refuses the port", async () => {
    const unsendable = async (_: string, init: FetchInit) => {
      new Headers(init.headers);
      return written();
    };
    const { platform, urls } = scripted([unsendable]);
    const error = await failure(client(platform).put("k", "v", { contentType: "a\nb" }));
    expect(error).toMatchObject({ code: "bad_header", outcome: "none", attempts: 1 });
    expect(urls).toHaveLength(1);
    const port = new TypeError("fetch failed", { cause: new Error("bad port") });
    const refusal = await failure(client(scripted([port, port]).platform, { rounds: 1 }).put("k", "v"));
    expect(refusal).toMatchObject({ code: "unreachable", outcome: "none" });
  });

  it.each([
    ["a certificate is refused", { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }],
    ["there is no such name", { code: "ENOTFOUND", syscall: "getaddrinfo" }],
    ["no address of a name answers", new AggregateError([], "x")],
    ["no local port is left", { code: "EADDRNOTAVAIL", syscall: "connect" }],
  ])("are definitely not done where %s", async (_, facts) => {
    const error = (cause: Error): Error => new TypeError("fetch failed", { cause });
    const { platform, urls } = scripted([
      error(facts instanceof Error ? facts : Object.assign(new Error("x"), facts)),
      written(),
    ]);
    await client(platform).put("k", "v");
    expect(urls).toHaveLength(2);
    const lost = scripted([error(Object.assign(new Error("x"), { code: "EHOSTUNREACH", syscall: "read" }))]);
    expect(await failure(client(lost.platform).put("k", "v"))).toMatchObject({ outcome: "unknown" });
  });

  it("are definitely not done where the handshake of TLS never ends", async () => {
    const server = createServer((socket) => socket.once("data", () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const subject = new Client({ endpoints: [`https://127.0.0.1:${port}`], retry: { rounds: 1 } });
    expect(await failure(subject.put("k", "v"))).toMatchObject({ code: "unreachable", outcome: "none" });
    await new Promise((resolve) => server.close(resolve));
  });

  it("are not repeated once an attempt may have taken effect", async () => {
    const { platform, urls } = scripted([refused(), reset()]);
    expect(await failure(client(platform).put("k", "v"))).toMatchObject({
      code: "unreachable",
      outcome: "unknown",
      attempts: 2,
    });
    expect(urls).toHaveLength(2);
    const unsure = scripted([problem(503, "store_failed", { outcome: "unknown" })]);
    expect(await failure(client(unsure.platform).delete("k"))).toMatchObject({ outcome: "unknown" });
  });

  it("with a precondition are repeated at the same endpoint, and a 412 then leaves the outcome open", async () => {
    const lost = (): Response => problem(412, "precondition_failed", { outcome: "none" });
    const { platform, urls } = scripted([reset(), lost()]);
    const error = await failure(client(platform).put("k", "v", { ifAbsent: true }));
    expect(error).toMatchObject({ code: "precondition_failed", outcome: "unknown" });
    expect(urls).toEqual([`${A}/kv/k`, `${A}/kv/k`]);
    const first = scripted([lost()]);
    const definite = await failure(client(first.platform).put("k", "v", { ifVersion: "1-n" }));
    expect(definite).toMatchObject({ code: "precondition_failed", outcome: "none" });
  });

  it("that are deletes with a context are repeated anywhere; puts with a context are not", async () => {
    const { platform, urls } = scripted([reset(), written()]);
    await client(platform).delete("k", { context: "c" });
    expect(urls).toEqual([`${A}/kv/k`, `${B}/kv/k`]);
    const once = scripted([reset()]);
    expect((await failure(client(once.platform).put("k", "v", { context: "c" }))).outcome).toBe("unknown");
  });

  it("are repeated at the caller's word", async () => {
    const { platform } = scripted([reset(), written()]);
    expect((await client(platform).put("k", "v", { repeatUnknown: true })).version).toBe("1-n");
  });

  it("tell the caller before they are repeated although an attempt may have taken effect, and only then", async () => {
    const operations = [{ op: "put", key: "k", value: "v" }] as const;
    const done = (): Response => new Response(null, { status: 204 });
    let told = 0;
    const onRepeatUnknown = (): void => {
      told += 1;
    };
    const options = { repeatUnknown: true, results: "none", onRepeatUnknown } as const;
    await client(scripted([refused(), done()]).platform).batch(operations, options);
    expect(told).toBe(0);
    await client(scripted([reset(), refused(), done()]).platform).batch(operations, options);
    expect(told).toBe(2);
  });

  it("that were answered with something unreadable may have taken effect", async () => {
    const { platform } = scripted([Response.json({ unexpected: true })]);
    expect(await failure(client(platform).put("k", "v"))).toMatchObject({
      code: "bad_answer",
      outcome: "unknown",
    });
  });
});

describe("time and cancelling", () => {
  const hangs: Step = (_url, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });

  it("gives up on an endpoint that does not answer, and asks the next", async () => {
    const { platform, urls } = scripted([hangs, value()]);
    const hasty = new Client({ endpoints: [A, B], platform, timeoutMs: 9_000 });
    expect((await hasty.get("k")).kind).toBe("value");
    expect(urls).toHaveLength(2);
  });

  it("says that a write may have taken effect when no answer came in time", async () => {
    const { platform } = scripted([hangs]);
    const hasty = new Client({ endpoints: [A, B], platform, timeoutMs: 9_000 });
    expect(await failure(hasty.put("k", "v"))).toMatchObject({ code: "timed_out", outcome: "unknown" });
  });

  it("rejects with the signal's reason, without another attempt", async () => {
    const stop = new AbortController();
    const { platform, urls } = scripted([
      (url, init) => {
        queueMicrotask(() => stop.abort(new Error("enough")));
        return typeof hangs === "function" ? hangs(url, init) : Promise.reject(refused());
      },
    ]);
    await expect(client(platform).get("k", { signal: stop.signal })).rejects.toThrow("enough");
    await expect(client(platform).get("k", { signal: stop.signal })).rejects.toThrow("enough");
    expect(urls).toHaveLength(1);
  });
});
