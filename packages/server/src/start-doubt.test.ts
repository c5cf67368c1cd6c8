/** Doubt that comes while a node has yet to take part, at its start or in another cluster: it ends that at once. */
import { ClusterMember, PeerFault } from "@hearsay/node";
import { Store } from "@hearsay/store";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RunningCluster } from "./testing/running-cluster.ts";

let cluster: RunningCluster;
/** What the store that was opened last has been told to call when it finds damage. */
let comesIntoDoubt: () => void;
let openedStore: () => void;

beforeEach(() => {
  cluster = new RunningCluster();
  openedStore = () => undefined;
  const open = Store.open.bind(Store);
  vi.spyOn(Store, "open").mockImplementation(async (options) => {
    comesIntoDoubt = () => options.onEvent({ code: "doubt", reason: "damaged_records" });
    const opened = await open(options);
    openedStore();
    return opened;
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await cluster.dispose();
});

async function answerTo(member: ClusterMember): Promise<string> {
  const state = {
    id: "x~0123456789",
    address: "127.0.0.1:1",
    generation: 1,
    state: "alive",
    zone: "",
  } as const;
  const from = { ...state, protocol: { min: 1, max: 9 }, build: "" };
  try {
    return (await member.serve(from.id, { kind: "ping", from, to: "", updates: [] })).kind;
  } catch (error) {
    if (error instanceof PeerFault) return error.reason.code;
    throw error;
  }
}

it("does not take part any more when it comes into doubt at its start, and serves no client when that is over", async () => {
  const answers: string[] = [];
  const start = ClusterMember.prototype.start;
  vi.spyOn(ClusterMember.prototype, "start").mockImplementation(async function (this: ClusterMember) {
    const starting = start.call(this);
    comesIntoDoubt();
    comesIntoDoubt();
    await starting;
    answers.push(await answerTo(this));
  });
  await cluster.run("n1");
  expect(answers[0]).toBe("busy");
  // The first new start comes at once, the next one after a while.
  await cluster.until("it waits", async () => answers.length === 2 && (await detailOfRead()) !== undefined);
  expect([answers[1], await detailOfRead()]).toEqual(["busy", "The node is recovering."]);
});

async function detailOfRead(): Promise<unknown> {
  const answer = await cluster.get("n1", "/kv/k").catch(() => undefined);
  return Reflect.get(Object(answer?.body), "detail");
}

it("takes no part at all when it comes into doubt before its turn to, as while its port is being opened", async () => {
  const answers: string[] = [];
  const start = ClusterMember.prototype.start;
  vi.spyOn(ClusterMember.prototype, "start").mockImplementation(async function (this: ClusterMember) {
    await start.call(this);
    answers.push(await answerTo(this));
  });
  openedStore = () => void setImmediate(() => comesIntoDoubt());
  await cluster.run("n1");
  expect(answers).toEqual(["busy"]);
});

it("joins no cluster when it comes into doubt while it asks for one", async () => {
  await cluster.run("n1");
  await cluster.run("n2");
  const started: ClusterMember[] = [];
  const { start, greet } = ClusterMember.prototype;
  vi.spyOn(ClusterMember.prototype, "start").mockImplementation(async function (this: ClusterMember) {
    started.push(this);
    await start.call(this);
  });
  vi.spyOn(ClusterMember.prototype, "greet").mockImplementation(async function (
    this: ClusterMember,
    address,
  ) {
    const greeting = await greet.call(this, address);
    comesIntoDoubt();
    return greeting;
  });
  expect(await cluster.post("n2", "/cluster/join", { address: cluster.address("n1") })).toMatchObject({
    status: 503,
    body: { code: "not_ready" },
  });
  expect(started).toEqual([]);
});
