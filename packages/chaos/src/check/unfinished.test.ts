import { describe, expect, it } from "vitest";
import { History } from "../history/history.ts";
import { check } from "./check.ts";
import { idOf, seen, ToldHistory } from "./told-history.contract.ts";

describe("what was not looked at", () => {
  it("is what members hold that were not named, and the notes say which those are", () => {
    const history = new ToldHistory({ processes: false });
    history.watermark("n1");
    history.watermark("n2");
    history.watermark("n1");
    expect(history.notes()).toEqual(["n3 was not named as an endpoint, so what it holds was not looked at"]);
  });

  it("is nothing of members that have stopped, and of a cluster that the run has started", () => {
    const history = new ToldHistory({ processes: false });
    const members = [{ id: idOf("n3"), name: "n3", state: "stopped" }];
    const said = { watermarkMs: null, watermarkAgeMs: null, writable: true, members };
    history.tell({ type: "status", atMs: 1, node: "n1", id: idOf("n1"), ...said });
    history.settled(2);
    expect(history.notes()).toEqual([]);

    const own = new ToldHistory();
    own.watermark("n1");
    expect(own.notes()).toEqual([]);
  });

  it("is a fault that was asked for by name, when it was skipped each time or never came up", () => {
    const history = new ToldHistory();
    const [begin] = history.events.splice(0, 1);
    if (begin?.type !== "begin") throw new Error("a history begins with its beginning");
    history.events.unshift({ ...begin, asked: ["disk-full", "kill", "pause"] });
    const write = history.put("n1", "a");
    history.final("a", [seen(write)]);
    const skipped = "no file system of its own could be mounted";
    for (const kind of ["disk-full", "disk-full", "hole"]) history.fault({ kind, skipped });
    history.fault({ kind: "kill", skipped });
    history.fault({ kind: "kill" });
    const untold = check(History.of(history.events));
    expect(untold.violations.map(({ detail }) => detail)).toEqual([expect.stringContaining("breaks off")]);
    history.tell({ type: "end", atMs: 9_000 });
    const { violations, notes } = check(History.of(history.events));
    expect(violations).toEqual(
      [
        `no disk-full came about, though it was asked for (2 skipped: ${skipped})`,
        "no pause came about, though it was asked for (none came up in this time: give it more, or another seed)",
      ].map((detail) => ({ code: "unfinished", node: "", atMs: 9_000, detail })),
    );
    expect(notes.map(({ detail }) => detail)).toEqual([`no hole came about (1 skipped: ${skipped})`]);
  });
});
