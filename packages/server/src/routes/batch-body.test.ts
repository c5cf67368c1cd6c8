/** The check by hand against the schema that the API shows: both let the same bodies through. */
import { BatchRequest, LIMITS } from "@hearsay/api";
import fc from "fast-check";
import { expect, it } from "vitest";
import { validatorOf } from "../http/validator.ts";
import { operationsOf, withTextValues } from "./batch-body.ts";

const schema = validatorOf(BatchRequest);

const name = fc.constantFrom("op", "key", "value", "contentType", "ttl", "context", "other");
const op = fc.constantFrom("put", "delete", "get", "post");

/** Mostly right, now and then with a field that is missing, too many or of another type. */
function operation(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const right = fc.oneof(
    fc.record(
      {
        op: fc.constant("put"),
        key: fc.string(),
        value,
        contentType: fc.string(),
        ttl: fc.string(),
        context: fc.string(),
      },
      { requiredKeys: ["op", "key", "value"] },
    ),
    fc.record(
      { op: fc.constant("delete"), key: fc.string(), context: fc.string() },
      { requiredKeys: ["op", "key"] },
    ),
    fc.record({ op: fc.constant("get"), key: fc.string() }),
  );
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), value, fc.constant([]));
  const anything = fc.dictionary(name, fc.oneof(scalar, op), { maxKeys: 6, noNullPrototype: true });
  const changed = fc.tuple(right, anything).map(([kept, replaced]) => ({ ...kept, ...replaced }));
  return fc.oneof({ weight: 6, arbitrary: right }, { weight: 2, arbitrary: changed }, scalar, anything);
}

function body(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const operations = fc.array(operation(value), { maxLength: 4 });
  const extra = fc.constantFrom({}, {}, {}, { other: 1 });
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(operations, extra).map(([list, more]) => ({ operations: list, ...more })),
    },
    fc.record({ operations: operation(value) }),
    fc.constantFrom(null, 1, "text", [], {}, { operations: null }),
  );
}

it("lets through the JSON bodies that the schema lets through", () => {
  let passed = 0;
  fc.assert(
    fc.property(body(fc.string()), (candidate) => {
      const passes = operationsOf(candidate, "text") !== undefined;
      if (passes) passed += 1;
      expect(passes).toBe(schema.Check(candidate));
    }),
    { numRuns: 2000 },
  );
  expect(passed).toBeGreaterThan(200);
});

it("lets through the MessagePack bodies that the schema lets through once their values are texts", () => {
  let passed = 0;
  fc.assert(
    fc.property(
      body(fc.oneof({ weight: 4, arbitrary: fc.uint8Array({ maxLength: 3 }) }, fc.string())),
      (candidate) => {
        const passes = operationsOf(candidate, "bytes") !== undefined;
        if (passes) passed += 1;
        expect(passes).toBe(schema.Check(withTextValues(candidate)));
      },
    ),
    { numRuns: 2000 },
  );
  expect(passed).toBeGreaterThan(200);
});

it("takes from one operation to the limit, as the schema does", () => {
  for (const count of [0, 1, LIMITS.batchMaxOperations, LIMITS.batchMaxOperations + 1]) {
    const candidate = { operations: Array.from({ length: count }, () => ({ op: "get", key: "k" })) };
    expect(operationsOf(candidate, "text") !== undefined).toBe(schema.Check(candidate));
    expect(schema.Check(candidate)).toBe(count >= 1 && count <= LIMITS.batchMaxOperations);
  }
});
