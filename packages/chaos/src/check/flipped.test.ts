import { beforeEach, describe, expect, it } from "vitest";
import type { HistoryEvent } from "../history/events.ts";
import { idOf, ToldHistory } from "./told-history.contract.ts";

const ASSERTION =
  "node: ../deps/leveldb/leveldb-1.20/table/table_builder.cc:97: void leveldb::TableBuilder::Add(const leveldb::Slice&, const leveldb::Slice&): Assertion `r->options.comparator->Compare(key, Slice(r->last_key)) > 0' failed.";

describe("an assertion of LevelDB that ends a process", () => {
  let told: ToldHistory;

  beforeEach(() => {
    told = new ToldHistory();
  });

  const line = (atMs: number): HistoryEvent => ({ type: "log", atMs, node: "n1", text: ASSERTION });
  const end = (atMs: number, ending = "SIGABRT"): HistoryEvent => ({
    type: "process",
    atMs,
    node: "n1",
    event: "ended",
    ending,
    expected: false,
  });
  const back = (atMs: number): HistoryEvent => ({
    type: "process",
    atMs,
    node: "n1",
    event: "started",
    id: idOf("n1", 2),
    expected: true,
  });
  const fault = (kind: string, atMs: number, node = "n1", skipped?: string): HistoryEvent => ({
    type: "fault",
    atMs,
    endMs: atMs + 1,
    kind,
    nodes: [node],
    detail: "",
    skipped,
  });
  const flip = fault("flip-bits", 10);

  it("is noted, where bits of that node were flipped before and it came back", () => {
    for (const event of [flip, line(20), end(21), back(30)]) told.tell(event);
    expect(told.codes()).toEqual([]);
    expect(told.notes()).toEqual([
      "n1 was ended by LevelDB (table/table_builder.cc:97) after bits of its database had been flipped, and came back",
    ]);
  });

  it.each<[string, readonly HistoryEvent[], readonly string[]]>([
    ["no bits were flipped", [line(20), end(21), back(30)], ["alarm", "crashed"]],
    ["bits were flipped later", [line(5), end(6), back(8), fault("flip-bits", 10)], ["alarm", "crashed"]],
    [
      "bits of another node were flipped",
      [fault("flip-bits", 10, "n2"), line(20), end(21), back(30)],
      ["alarm", "crashed"],
    ],
    [
      "the fault was skipped",
      [fault("flip-bits", 10, "n1", "in time"), line(20), end(21), back(30)],
      ["alarm", "crashed"],
    ],
    [
      "the directory was lost since",
      [flip, fault("disk-lost", 12), line(20), end(21), back(30)],
      ["alarm", "crashed"],
    ],
    ["the node did not come back", [flip, line(20), end(21)], ["alarm", "crashed"]],
    ["nothing was asserted", [flip, end(21), back(30)], ["crashed"]],
    [
      "it was asserted by a process before",
      [flip, line(15), end(16, "code 1"), end(21), back(30)],
      ["alarm", "crashed"],
    ],
    ["it ended otherwise", [flip, line(20), end(21, "SIGSEGV"), back(30)], ["alarm", "crashed"]],
    ["nothing ended", [flip, line(20)], ["alarm"]],
  ])("is held against the node where %s", (_, events, codes) => {
    for (const event of events) told.tell(event);
    expect(told.codes()).toEqual(codes);
    expect(told.notes()).not.toContainEqual(expect.stringContaining("was ended by LevelDB"));
  });
});

describe("a directory that cannot be read", () => {
  const said = (text: string): HistoryEvent => ({ type: "log", atMs: 20, node: "n1", text });
  const refused = said("error: /d/n1: what it knows of its cluster cannot be read");
  const advice = said("Start with an empty directory and let peers fill it, or restore a snapshot into one.");
  const ended: HistoryEvent = {
    type: "process",
    atMs: 21,
    node: "n1",
    event: "ended",
    ending: "code 1",
    expected: false,
  };
  const back: HistoryEvent = {
    type: "process",
    atMs: 30,
    node: "n1",
    event: "started",
    id: idOf("n1", 2),
    expected: true,
  };
  const flip: HistoryEvent = {
    type: "fault",
    atMs: 10,
    endMs: 31,
    kind: "flip-bits",
    nodes: ["n1"],
    detail: "",
  };

  it("is noted, where bits of it were flipped and the node came back with an empty one", () => {
    const told = new ToldHistory();
    for (const event of [flip, refused, advice, ended, back]) told.tell(event);
    expect(told.codes()).toEqual([]);
    expect(told.notes()).toEqual([
      "n1 refused a directory of which bits had been flipped, and came back with an empty one",
    ]);
  });

  it.each<[string, readonly HistoryEvent[], readonly string[]]>([
    ["no bits were flipped", [refused, advice, ended, back], ["alarm", "crashed"]],
    ["the node did not come back", [flip, refused, advice, ended], ["alarm", "crashed"]],
    ["it refused for another reason", [flip, said("error: no memory"), ended, back], ["alarm", "crashed"]],
  ])("is held against the node where %s", (_, events, codes) => {
    const told = new ToldHistory();
    for (const event of events) told.tell(event);
    expect(told.codes()).toEqual(codes);
    expect(told.notes()).toEqual([]);
  });
});
