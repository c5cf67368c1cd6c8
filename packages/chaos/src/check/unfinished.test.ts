import { describe, expect, it } from "vitest";
import { idOf, ToldHistory } from "./told-history.contract.ts";

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
    expect(history.notes()).toEqual([]);

    const own = new ToldHistory();
    own.watermark("n1");
    expect(own.notes()).toEqual([]);
  });
});
