import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeJson, refuseDoubledNames } from "./json.ts";
import { ApiProblem } from "./problem.ts";

function read(text: string): unknown {
  const json = decodeJson(Buffer.from(text));
  refuseDoubledNames(json);
  return json.value;
}

describe("JSON from clients", () => {
  it("is taken when each object has each name once, whatever its texts hold", () => {
    fc.assert(
      fc.property(fc.json({ depthSize: "small" }), (text) => {
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(read(String.raw`{"a\\":"\"\\\"","a":{"a\\":["\\"," \" "]},"b":"😀\""}`)).toMatchObject({
      b: '😀"',
    });
  });

  it.each([
    ['{"a":"1","a":"1"}', "is the same"],
    ['{"a":1,"a":2}', "is no text"],
    ['{"a":[],"b":1,"a":"2"}', "has another type"],
    [String.raw`{"a":1,"\u0061":2}`, "is written otherwise"],
    ['[{"b":{"a":{},"a":{}}}]', "is further in"],
    ['{"__proto__":1,"__proto__":2}', "is that of a prototype"],
  ])("is refused with %s, where the second name %s", (text) => {
    expect(() => read(text)).toThrow(ApiProblem);
    expect(() => read(text)).toThrow("twice");
  });
});
