import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PrefixView } from "./prefix-view.ts";
import type { SourceEvent } from "./source.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
let ticks = 1000;
const put = (key: string, text: string, version: string = `v${ticks++}`): SourceEvent => ({
  kind: "put",
  key,
  version,
  value: bytes(text),
});
const remove = (key: string, version: string = `v${ticks++}`): SourceEvent => ({
  kind: "delete",
  key,
  version,
});
const SYNCED: SourceEvent = { kind: "synced" };
const RESET: SourceEvent = { kind: "reset" };
const DOWN: SourceEvent = { kind: "down", reason: "ECONNREFUSED" };

function texts(view: PrefixView): Record<string, string> {
  return Object.fromEntries([...view.values].map(([key, value]) => [key, new TextDecoder().decode(value)]));
}

function take(view: PrefixView, ...events: readonly SourceEvent[]): boolean[] {
  return events.map((event) => view.take(event));
}

describe("the view of a prefix", () => {
  it("shows nothing before it is whole, then each change", () => {
    const view = new PrefixView("p/");
    expect(take(view, put("p/a", "1"), put("p/b", "2"))).toEqual([false, false]);
    expect(view).toMatchObject({ state: "unknown", whole: false });
    expect(texts(view)).toEqual({});
    expect(view.take(SYNCED)).toBe(true);
    expect(take(view, put("p/a", "3"), put("p/a", "3"), remove("p/b"), remove("p/b"))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(texts(view)).toEqual({ "p/a": "3" });
    expect(view.state).toBe("synced");
  });

  it("keeps its values while a backlog arrives after a reset, and drops what that did not name", () => {
    const view = new PrefixView("p/");
    take(view, put("p/a", "1"), put("p/b", "2"), SYNCED);
    take(view, RESET, put("p/b", "2"));
    expect(view.state).toBe("syncing");
    expect(texts(view)).toEqual({ "p/a": "1", "p/b": "2" });
    expect(view.take(SYNCED)).toBe(true);
    expect(texts(view)).toEqual({ "p/b": "2" });
  });

  it("is stale while no node answers, and takes the difference in one step", () => {
    const view = new PrefixView("p/");
    take(view, put("p/a", "1"), put("p/b", "2"), SYNCED, DOWN);
    expect(view).toMatchObject({ state: "stale", downReason: "ECONNREFUSED" });
    take(view, put("p/c", "3"), remove("p/a"));
    expect(texts(view)).toEqual({ "p/a": "1", "p/b": "2" });
    expect(view.take(SYNCED)).toBe(true);
    expect(texts(view)).toEqual({ "p/b": "2", "p/c": "3" });
    expect(view).toMatchObject({ state: "synced", downReason: undefined });
  });

  it("starts from a copy, and is replaced by what a node says as a whole", () => {
    const view = new PrefixView("p/");
    view.startFrom(new Map([["p/old", bytes("1")]]));
    expect(view).toMatchObject({ state: "stale", whole: true });
    take(view, put("p/new", "2"));
    expect(texts(view)).toEqual({ "p/old": "1" });
    take(view, SYNCED);
    expect(texts(view)).toEqual({ "p/new": "2" });
  });

  it("tells of no change when the backlog says what it has", () => {
    const view = new PrefixView("p/");
    take(view, put("p/a", "1"), SYNCED);
    expect(take(view, RESET, put("p/a", "1"), SYNCED)).toEqual([false, false, false]);
    expect(take(view, DOWN, SYNCED)).toEqual([false, false]);
  });

  it("is whole also when a prefix has no keys at all", () => {
    const view = new PrefixView("p/");
    expect(view.take(SYNCED)).toBe(true);
    expect(view).toMatchObject({ state: "synced", whole: true });
  });

  it("stays as it was beyond its bounds, and says so", () => {
    const view = new PrefixView("p/", { maxKeys: 2, maxBytes: 1_000 });
    take(view, put("p/a", "1"), put("p/b", "2"), SYNCED, put("p/c", "3"), put("p/a", "9"));
    expect(texts(view)).toEqual({ "p/a": "1", "p/b": "2" });
    expect(view).toMatchObject({ beyond: "2 keys", state: "stale" });
    const large = new PrefixView("p/", { maxKeys: 10, maxBytes: 8 });
    take(large, put("p/a", "123456789"), SYNCED);
    expect(large).toMatchObject({ beyond: "8 bytes", state: "unknown", whole: false });
  });

  it("never goes back to an older version, deleted keys included, until a reset", () => {
    const view = new PrefixView("p/");
    take(view, put("p/a", "2", "v2"), put("p/b", "2", "v2"), remove("p/b", "v3"), SYNCED, DOWN);
    take(view, put("p/a", "1", "v1"), put("p/b", "2", "v2"), SYNCED);
    expect(texts(view)).toEqual({ "p/a": "2" });
    expect(view.take(put("p/b", "2", "v2"))).toBe(false);
    expect(view.take(remove("p/a", "v1"))).toBe(false);
    expect(view.take(put("p/b", "4", "v4"))).toBe(true);
    expect(view.take(remove("p/b", "v4"))).toBe(true);
    take(view, RESET, put("p/a", "1", "v1"), SYNCED);
    expect(texts(view)).toEqual({ "p/a": "1" });
  });

  it("never shows anything but a whole set and the changes to it", () => {
    const key = fc.constantFrom("p/a", "p/b", "p/c");
    const event = fc.oneof(
      fc.tuple(key, fc.constantFrom("1", "2")).map(
        ([name, text]) =>
          () =>
            put(name, text),
      ),
      key.map((name) => () => remove(name)),
      fc.constantFrom(SYNCED, RESET, DOWN).map((one) => () => one),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const view = new PrefixView("p/");
        // The reference: what has been told, and what of it may be seen.
        let told = new Map<string, string>();
        let shown: Record<string, string> = {};
        let live = false;
        for (const make of events) {
          const one = make();
          if (one.kind === "put") told.set(one.key, new TextDecoder().decode(one.value));
          else if (one.kind === "delete") told.delete(one.key);
          else if (one.kind === "reset") told = new Map();
          live = one.kind === "synced" || (live && one.kind !== "down" && one.kind !== "reset");
          if (live) shown = Object.fromEntries(told);
          view.take(one);
          expect(texts(view)).toEqual(shown);
          expect(view.state === "synced").toBe(live);
        }
      }),
      { numRuns: 500 },
    );
  });
});
