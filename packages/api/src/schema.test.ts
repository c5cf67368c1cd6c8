import { describe, expect, it } from "vitest";
import { type Static, Type } from "./schema.ts";

const Item = Type.Object(
  {
    id: Type.String({ minLength: 1 }),
    state: Type.Union([Type.Literal("up"), Type.Literal("down")]),
    since: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
    tags: Type.Array(Type.String()),
  },
  { title: "Item", additionalProperties: false },
);

describe("schemas", () => {
  it("are plain JSON Schema, with what is not optional required", () => {
    expect(JSON.parse(JSON.stringify(Item))).toEqual({
      type: "object",
      required: ["id", "state", "tags"],
      properties: {
        id: { type: "string", minLength: 1 },
        state: {
          anyOf: [
            { type: "string", const: "up" },
            { type: "string", const: "down" },
          ],
        },
        since: { anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }] },
        tags: { type: "array", items: { type: "string" } },
      },
      title: "Item",
      additionalProperties: false,
    });
  });

  it("require nothing where everything is optional", () => {
    expect(Type.Object({ a: Type.Optional(Type.Boolean()) })).toEqual({
      type: "object",
      properties: { a: { type: "boolean" } },
    });
  });

  it("carry the types of their values", () => {
    const least: Static<typeof Item> = { id: "i", state: "up", tags: [] };
    const most: Static<typeof Item> = { ...least, since: null };
    // @ts-expect-error -- a state that is none of the two
    const wrong: Static<typeof Item> = { ...least, state: "away" };
    // @ts-expect-error -- no tags
    const less: Static<typeof Item> = { id: "i", state: "down" };
    expect([least, most, wrong, less]).toHaveLength(4);
  });
});
