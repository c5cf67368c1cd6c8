import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BatchDraft, fromBase64, JsonDraft, MsgpackDraft, type Operation } from "./batch.ts";

/** Reads the types the encoder uses and throws at any other. */
function decode(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error("it ends too early");
    at += length;
    return bytes.slice(at - length, at);
  };
  const text = (length: number): string =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(length));
  const number = (width: 1 | 2 | 4): number => {
    at += width;
    if (width === 1) return view.getUint8(at - 1);
    return width === 2 ? view.getUint16(at - 2) : view.getUint32(at - 4);
  };
  const list = (length: number): unknown[] => Array.from({ length }, next);
  const next = (): unknown => {
    const type = number(1);
    if (type >= 0x80 && type <= 0x8f) {
      return Object.fromEntries(Array.from({ length: type & 0x0f }, () => [next(), next()]));
    }
    if (type >= 0xa0 && type <= 0xbf) return text(type & 0x1f);
    if (type === 0xd9) return text(number(1));
    if (type === 0xdb) return text(number(4));
    if (type === 0xc5) return take(number(2));
    if (type === 0xc6) return take(number(4));
    if (type === 0xdc) return list(number(2));
    if (type === 0xdd) return list(number(4));
    throw new Error(`type 0x${type.toString(16)} is not expected`);
  };
  const decoded = next();
  if (at !== bytes.length) throw new Error("something follows");
  return decoded;
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ unit: "binary-ascii", maxLength: 300 }),
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record(
    {
      op: fc.constant("put" as const),
      key: text,
      value: fc.uint8Array({ maxLength: 300 }),
      contentType: text,
      ttl: text,
      context: text,
    },
    { requiredKeys: ["op", "key", "value"] },
  ),
  fc.record(
    { op: fc.constant("delete" as const), key: text, context: text },
    { requiredKeys: ["op", "key"] },
  ),
  fc.record({ op: fc.constant("get" as const), key: text }),
);

function bodyOf(draft: BatchDraft, operations: readonly Operation[]): Uint8Array {
  for (const operation of operations) draft.add(operation);
  return draft.body();
}

function encodeMsgpack(operations: readonly Operation[]): Uint8Array {
  return bodyOf(new MsgpackDraft(), operations);
}

describe("a batch", () => {
  it("means the same in MessagePack as it did before", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
        expect(decode(encodeMsgpack(operations))).toEqual({ operations });
      }),
    );
  });

  it("means the same in JSON, with values in base64", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 5 }), (operations) => {
        const parsed = JSON.parse(new TextDecoder().decode(bodyOf(new JsonDraft(), operations)));
        for (const item of parsed.operations) if (item.op === "put") item.value = fromBase64(item.value);
        expect(parsed).toEqual({ operations });
      }),
    );
  });

  it("keeps nothing of an operation that was added", () => {
    for (const draft of [new MsgpackDraft(), new JsonDraft()]) {
      const value = new Uint8Array([1, 2, 3]);
      const operation = { op: "put" as const, key: "k", value };
      draft.add(operation);
      value.fill(9);
      operation.key = "other";
      draft.add({ op: "get", key: "k" });
      expect([draft.size, draft.reads]).toEqual([2, 1]);
      const same = [
        { op: "put" as const, key: "k", value: new Uint8Array([1, 2, 3]) },
        { op: "get" as const, key: "k" },
      ];
      const again = draft instanceof JsonDraft ? new JsonDraft() : new MsgpackDraft();
      expect(draft.body()).toEqual(bodyOf(again, same));
    }
  });

  it("takes values of more than 65,535 bytes", () => {
    for (const size of [65_535, 65_536, 1_000_000]) {
      const value = new Uint8Array(size).fill(7, size - 1);
      const { operations } = decode(encodeMsgpack([{ op: "put", key: "k", value }])) as {
        readonly operations: readonly { readonly value: Uint8Array }[];
      };
      const decoded = operations[0]?.value ?? new Uint8Array();
      expect([decoded.length, decoded.at(0), decoded.at(-1)]).toEqual([size, 0, 7]);
    }
  });

  it("stores text as UTF-8 and counts more than 65,535 operations", () => {
    const one = decode(encodeMsgpack([{ op: "put", key: "k", value: "é" }]));
    expect(one).toEqual({ operations: [{ op: "put", key: "k", value: new Uint8Array([0xc3, 0xa9]) }] });
    const many = Array.from({ length: 70_000 }, () => ({ op: "get", key: "k" }) as const);
    expect(JSON.stringify(decode(encodeMsgpack(many)))).toBe(JSON.stringify({ operations: many }));
  });
});
