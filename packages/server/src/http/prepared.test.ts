import { CLIENT_CONTEXT_MAX_ENTRIES, type KeyRecord, parseClientContext, type Value } from "@hearsay/core";
import { describe, expect, it } from "vitest";
import { PreparedValues } from "./prepared.ts";
import { Stamp } from "./stamp.ts";

function recordOf(time: number, size: number): { readonly record: KeyRecord; readonly value: Value } {
  const version = { time, node: "n1~0000000000" };
  const value: Value = {
    kind: "value",
    version,
    bytes: new Uint8Array(size).fill(200),
    contentType: "x/y",
    expiresAtMs: null,
  };
  return { value, record: { context: new Map([[version.node, time]]), siblings: [value] } };
}

describe("prepared answers", () => {
  it("never hold more than two generations, and keep what was read last", () => {
    const prepared = new PreparedValues(
      new Stamp(
        "n1~0000000000",
        () => 0,
        () => 0,
      ),
      10,
    );
    const records = Array.from({ length: 100 }, (_, i) => recordOf(i, 1));
    for (const { record, value } of records) {
      const first = prepared.of(record, value);
      expect(prepared.of(record, value)).toBe(first);
      expect(prepared.size).toBeLessThanOrEqual(20);
    }
  });

  it("keep few bytes of records alive that the store has let go of, and no large one", () => {
    const stamp = new Stamp(
      "n1~0000000000",
      () => 0,
      () => 0,
    );
    const prepared = new PreparedValues(stamp, 1000, 10_000);
    for (let i = 0; i < 100; i++) {
      const { record, value } = recordOf(i, 1000);
      prepared.of(record, value);
      expect(prepared.size).toBeLessThanOrEqual(20);
    }
    const kept = prepared.size;
    const { record, value } = recordOf(1, 1024 * 1024);
    expect(prepared.of(record, value).body).toBe(value.bytes);
    expect(prepared.size).toBe(kept);
  });

  it("carry no more of a context than a client may send back", () => {
    const stamp = new Stamp(
      "n1~0000000000",
      () => 0,
      () => 0,
    );
    const { value } = recordOf(5, 1);
    const context = new Map([[value.version.node, 5]]);
    for (let i = 0; i < 200; i++) context.set(`x~${String(i).padStart(10, "0")}`, 10 + i);
    const { headers } = new PreparedValues(stamp).of({ context, siblings: [value] }, value);
    const text = headers[headers.indexOf("Hearsay-Context") + 1] ?? "";
    const parsed = parseClientContext(text);
    expect(parsed?.vector.size).toBe(CLIENT_CONTEXT_MAX_ENTRIES);
    expect(parsed?.vector.get(value.version.node)).toBe(5);
  });

  it("give small values as a text that stands for the very bytes, and large ones as they are", () => {
    const prepared = new PreparedValues(
      new Stamp(
        "n1~0000000000",
        () => 0,
        () => 0,
      ),
    );
    const small = recordOf(1, 100);
    const { body } = prepared.of(small.record, small.value);
    expect(typeof body === "string" ? Buffer.from(body, "latin1") : body).toEqual(
      Buffer.from(small.value.bytes),
    );
    expect(typeof body).toBe("string");
    const large = recordOf(2, 5000);
    expect(prepared.of(large.record, large.value).body).toBe(large.value.bytes);
  });

  it("carry the moment at which they are sent, not the one at which they were prepared", () => {
    let nowMs = 1000;
    const stamp = new Stamp(
      "n1~0000000000",
      () => nowMs - 1,
      () => nowMs,
    );
    const { record, value } = recordOf(1, 1);
    const { headers } = new PreparedValues(stamp).of(record, value);
    expect(headers.at(-1)).toBe("1970-01-01T00:00:00.999Z");
    nowMs = 2000;
    stamp.renew(headers);
    expect(headers.at(-1)).toBe("1970-01-01T00:00:01.999Z");
  });
});
