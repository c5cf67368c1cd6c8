import * as api from "@hearsay/api";
import { describe, expect, it } from "vitest";
import { conforms } from "./schema.ts";

const sibling = { version: "v", node: "n", time: "t", deleted: false, size: 1 };

/** One right answer for each schema in use, and changes that make it wrong. */
const CASES: readonly (readonly [string, unknown, object, readonly object[]])[] = [
  [
    "WriteResult",
    api.WriteResult,
    { key: "k", version: "v", context: "", acks: 1 },
    [{ acks: "1" }, { key: 1 }],
  ],
  [
    "ListPage",
    api.ListPage,
    { items: [{ key: "k", version: "v", contentType: "t", size: 0 }], next: null },
    [{ next: 1 }, { items: [{}] }, { items: {} }],
  ],
  [
    "BatchResult",
    api.BatchResult,
    {
      results: [
        { op: "put", key: "k", version: "v", context: "", acks: 1 },
        { op: "get", key: "k", found: false, deleted: true },
      ],
    },
    [{ results: [{ op: "get", key: "k", found: true }] }, { results: [{ op: "none", key: "k" }] }],
  ],
  ["SiblingList", api.SiblingList, { key: "k", context: "", siblings: [sibling] }, [{ siblings: [{}] }]],
  [
    "HistoryList",
    api.HistoryList,
    { key: "k", versions: [sibling] },
    [{ versions: [{ ...sibling, size: 0.5 }] }],
  ],
  [
    "ConflictPage",
    api.ConflictPage,
    { items: [{ key: "k", versions: ["v"], context: "" }], next: "k" },
    [{ items: [{ key: "k" }] }],
  ],
  [
    "TombstoneReport",
    api.TombstoneReport,
    {
      count: 0,
      oldest: null,
      floor: null,
      watermark: null,
      oldestRemovableFrom: null,
      blockedBy: [],
      items: [],
    },
    [{ oldest: 1 }],
  ],
  [
    "GhostReport",
    api.GhostReport,
    {
      node: "n",
      count: 1,
      max: 1024,
      items: [
        {
          key: "k",
          version: "v",
          node: "n",
          time: "t",
          contentType: null,
          size: 0,
          keptAt: null,
          why: "dropped",
        },
      ],
    },
    [{ items: [{ key: "k" }] }],
  ],
  ["GhostDiscarded", api.GhostDiscarded, { key: "k", version: "v", left: 0 }, [{ left: "none" }]],
  [
    "Readiness",
    api.Readiness,
    { ready: true, checks: [{ name: "n", ok: true, detail: "" }] },
    [{ ready: "yes" }],
  ],
  [
    "RestoreReport",
    api.RestoreReport,
    { mode: "exact", dryRun: false, records: 1, applied: 1, skippedHeld: 0, skippedDeleted: 0 },
    [{ mode: "other" }],
  ],
  [
    "Problem",
    api.Problem,
    { status: 404, code: "c", title: "t", next: "n", more: 1 },
    [{ outcome: "maybe" }],
  ],
];

describe("answers", () => {
  it.each(CASES)("of the shape %s are told from others", (_name, schema, right, changes) => {
    expect(conforms(schema, right)).toBe(true);
    for (const change of changes) expect(conforms(schema, { ...right, ...change })).toBe(false);
    for (const field of Object.keys(right).filter((name) => name !== "more" && name !== "checks")) {
      const without = Object.fromEntries(Object.entries(right).filter(([name]) => name !== field));
      expect(conforms(schema, without)).toBe(false);
    }
    expect(conforms(schema, [])).toBe(false);
    expect(conforms(schema, null)).toBe(false);
  });

  it("fail against a schema with a keyword that is not read", () => {
    expect(conforms({ allOf: [] }, {})).toBe(false);
  });
});
