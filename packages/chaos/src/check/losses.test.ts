import { beforeEach, describe, expect, it } from "vitest";
import { History } from "../history/history.ts";
import { headlineOf, summarize } from "../report/summary.ts";
import { check } from "./check.ts";
import { idOf, seen, ToldHistory } from "./told-history.contract.ts";

const OLD = ["n1", "n2", "n3"].map((name) => idOf(name));
const NEW = ["n1", "n2", "n3"].map((name) => idOf(name, 2));

let told: ToldHistory;

beforeEach(() => {
  told = new ToldHistory({ processes: false });
});

/** All three directories are removed, and the nodes started again. */
function loseAll(...keys: readonly string[]): void {
  told.wait(1_000);
  for (const node of ["n1", "n2", "n3"]) told.watermark(node, NEW, null, idOf(node, 2));
  for (const node of ["n1", "n2", "n3"]) told.settled(1, node, idOf(node, 2));
  for (const key of ["a", ...keys]) told.final(key, [], undefined, undefined, 2);
}

function headline(): string {
  const history = History.of(told.events.filter(({ type }) => type !== "begin"));
  const findings = check(history);
  const violations = findings.violations.filter(({ code }) => code !== "unfinished");
  return headlineOf(summarize(history, { ...findings, violations }));
}

describe("a cluster of somebody else's", () => {
  it("excuses what a node alone had taken whose id is gone, though it was only written to", () => {
    const lose = (left: string): readonly [string[], number] => {
      told = new ToldHistory({ processes: false });
      told.put("n1", "a");
      told.watermark("n2", [idOf("n1", 2), idOf("n2"), left], 0);
      for (const node of ["n2", "n3"]) told.settled(1, node);
      told.settled(1, "n1", idOf("n1", 2));
      told.final("a", [], ["n2", "n3"]);
      return [told.codes(), told.counts().destroyed];
    };
    expect(lose(idOf("n3"))).toEqual([[], 2]);
    expect(lose(idOf("n1"))).toEqual([["lost"], 0]);
  });

  it("excuses of one that lost everything what no second node was known to have", () => {
    told.watermark("n2", OLD);
    told.put("n1", "a");
    told.watermark("n1", OLD.slice(0, 1));
    const other = told.put("n2", "b");
    told.receipt("n3", other, ["n2"]);
    told.get("n3", "b", [], { completeThroughMs: told.clockMs - 1_000 });
    loseAll("b");
    expect(told.codes()).toEqual([]);
    expect(told.counts()).toMatchObject({
      destroyed: 6,
      destroyedWith: { [idOf("n1")]: 1, [idOf("n2")]: 1 },
    });
  });

  it("does not excuse what another node had shown, though that one is gone as well", () => {
    const write = told.put("n1", "a");
    told.get("n2", "a", [seen(write)]);
    loseAll();
    expect(told.codes()).toEqual(["lost"]);
  });

  it("does not excuse what a receipt had said that another one holds", () => {
    told.receipt("n1", told.put("n1", "a"), ["n1", "n2"]);
    loseAll();
    expect(told.codes()).toEqual(["lost"]);
  });

  it("does not excuse what a watermark had passed", () => {
    told.watermark("n1", OLD);
    told.put("n1", "a");
    told.watermark("n2", OLD);
    loseAll();
    expect(told.codes()).toEqual(["lost"]);
  });

  it("does excuse it where the watermark may be one from before that member", () => {
    told.watermark("n2", OLD.slice(1));
    told.wait(10_000);
    told.put("n1", "a");
    told.watermark("n2", OLD);
    loseAll();
    expect(told.codes()).toEqual([]);
  });

  it("does not excuse what a node that counted its writer said that it holds all through", () => {
    for (const counts of [true, false]) {
      told = new ToldHistory({ processes: false });
      const listed = counts ? OLD : OLD.slice(1);
      told.watermark("n2", listed, null);
      told.put("n1", "a");
      told.get("n2", "b", [], { completeThroughMs: told.clockMs });
      told.watermark("n2", listed, null);
      loseAll();
      expect(told.codes()).toEqual(counts ? ["lost"] : []);
    }
  });

  it("tells which ids are gone, and who came in their place", () => {
    told.put("n1", "a");
    told.put("n3", "b");
    told.wait(800);
    told.watermark("n1", NEW.slice(0, 1), null, idOf("n1", 2));
    for (const node of ["n1", "n2"]) told.settled(1, node, idOf(node, 2));
    expect(told.notes()).toEqual([
      `${idOf("n1")} is gone: n1 was it until 0.200 s, and ${idOf("n1", 2)} has answered in its place since 1.300 s`,
      `${idOf("n3")} is gone: n3 was it until 0.400 s, and nobody has come in its place`,
    ]);
  });

  it("did not simply hold where something was excused", () => {
    expect(headline()).toBe("Everything held.");
    told.put("n1", "a");
    loseAll();
    expect(headline()).toBe(
      `Everything held but 1 write that was lost with the only directory known to have had them: 1 of ${idOf("n1")}.`,
    );
  });
});

describe("a cluster that the run itself has broken", () => {
  const lose = (...names: readonly string[]): void => {
    told = new ToldHistory();
    const write = told.put("n1", "a");
    told.get("n2", "a", [seen(write)]);
    for (const name of names) told.fault({ kind: "disk-lost", nodes: [name], lostId: idOf(name) });
    told.final("a", []);
  };

  it("may have lost what two had, one after the other, and not what a third one had", () => {
    lose("n1");
    expect(told.codes()).toContain("lost");
    lose("n1", "n2");
    expect(told.codes()).not.toContain("lost");
    told = new ToldHistory();
    const write = told.put("n1", "a");
    told.receipt("n1", write, ["n1", "n3"]);
    told.fault({ kind: "disk-lost", lostId: idOf("n1") });
    told.final("a", [], ["n2"]);
    expect(told.codes()).toEqual(["lost"]);
  });
});
