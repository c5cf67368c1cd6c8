import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatRecordLine, parseRecordLine } from "./record-line.ts";

const version = "0abcdefghij-n~0123456789";

describe("a record line", () => {
  it("brings back every key, value, type and expiry that export writes", () => {
    const record = fc.record({
      key: fc.string({ unit: "grapheme", minLength: 1, maxLength: 100 }),
      bytes: fc.oneof(
        fc.uint8Array(),
        fc.string({ unit: "grapheme" }).map((text) => Buffer.from(text)),
      ),
      contentType: fc.string(),
      expiresAtMs: fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(record, ({ key, bytes, contentType, expiresAtMs }) => {
        const line = formatRecordLine({
          key,
          version,
          contentType,
          size: bytes.length,
          value: Buffer.from(bytes).toString("base64"),
          ...(expiresAtMs === undefined ? undefined : { expiresAt: new Date(expiresAtMs).toISOString() }),
        });
        expect(line).not.toContain("\n");
        const parsed = parseRecordLine(line);
        if (typeof parsed === "string") throw new Error(parsed);
        expect({ ...parsed, value: [...parsed.value] }).toEqual({
          key,
          value: [...bytes],
          contentType,
          expiresAtMs,
        });
      }),
    );
  });

  it("shows text as text and anything else as base64", () => {
    const item = { key: "k", version, contentType: "t", size: 1 };
    expect(formatRecordLine({ ...item, value: Buffer.from("\ufeffé").toString("base64") })).toContain(
      '"text":"\ufeffé"',
    );
    expect(formatRecordLine({ ...item, value: "/w==" })).toContain('"value":"/w=="');
    expect(formatRecordLine({ ...item, value: "" })).toContain('"text":""');
  });

  it.each([
    ["{", "it is not JSON"],
    ["[]", "it is no JSON object"],
    ["null", "it is no JSON object"],
    ['{"text":"v"}', "it has no key"],
    ['{"key":7,"text":"v"}', "key is no text"],
    ['{"key":"","text":"v"}', "key is empty"],
    ['{"key":"\\ud800","text":"v"}', "key is no well-formed text"],
    [JSON.stringify({ key: "é".repeat(513), text: "" }), "key has more than 1024 bytes"],
    ['{"key":"k"}', "it has no text or value"],
    ['{"key":"k","text":"v","value":"dg=="}', "it has both text and value"],
    ['{"key":"k","text":"\\udc00"}', "text is no well-formed text"],
    ['{"key":"k","value":"dg"}', "value is no base64"],
    ['{"key":"k","value":"d!=="}', "value is no base64"],
    ['{"key":"k","value":5}', "value is no text"],
    ['{"key":"k","text":"v","contentType":1}', "contentType is no text"],
    ['{"key":"k","text":"v","expiresAt":"soon"}', "expiresAt is no ISO 8601 time with Z or an offset"],
    ['{"key":"k","text":"v","expiresAt":"1"}', "expiresAt is no ISO 8601 time with Z or an offset"],
    [
      '{"key":"k","text":"v","expiresAt":"March 7, 2031"}',
      "expiresAt is no ISO 8601 time with Z or an offset",
    ],
    [
      '{"key":"k","text":"v","expiresAt":"2031-03-07T00:00:00"}',
      "expiresAt is no ISO 8601 time with Z or an offset",
    ],
    ['{"key":"k","text":"v","expiresAt":"2031-03-07"}', "expiresAt is no ISO 8601 time with Z or an offset"],
    [
      '{"key":"k","text":"v","expiresAt":"2031-13-07T00:00:00Z"}',
      "expiresAt is no ISO 8601 time with Z or an offset",
    ],
    ['{"key":"k","text":"v","expiresAt":1}', "expiresAt is no ISO 8601 time with Z or an offset"],
    ['{"key":"k","text":"v","ttl":"5s"}', 'the field "ttl" is not known'],
  ])("%s is refused: %s", (line, reason) => {
    expect(parseRecordLine(line)).toBe(reason);
  });

  it.each(["2031-03-07T00:00:00.000Z", "2031-03-07T02:00:00+02:00", "2031-03-07T00:00Z"])(
    "takes %s as a time",
    (expiresAt) => {
      const line = JSON.stringify({ key: "k", text: "v", expiresAt });
      expect(parseRecordLine(line)).toMatchObject({ expiresAtMs: Date.UTC(2031, 2, 7) });
    },
  );

  it("takes keys of up to 1,024 bytes, whatever their characters", () => {
    for (const key of ["a".repeat(1024), "é".repeat(512), "😀".repeat(256)]) {
      expect(parseRecordLine(JSON.stringify({ key, text: "" }))).toMatchObject({ key });
    }
  });
});
