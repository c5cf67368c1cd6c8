import { Client, HearsayError } from "@hearsay/client";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { endAllNodes, type RunningNode, startNode, temporaryDirectory } from "./cli-process.ts";

const ROUNDS = 20;
const WRITERS = 8;
/** Acknowledged writes after which the process is killed, drawn anew each round. */
const WRITES = { min: 40, max: 240 };

const directory = temporaryDirectory();
afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

/** The greatest number acknowledged for each key, and the greatest that was sent. */
interface Ledger {
  readonly acknowledged: Map<string, number>;
  readonly sent: Map<string, number>;
}

/** Writes rising numbers, to keys of its own and to one key over and over, until the node is gone. */
async function writeUntilKilled(
  client: Client,
  writer: number,
  ledger: Ledger,
  onAck: () => void,
): Promise<void> {
  for (;;) {
    const next = (ledger.sent.get(`counter/${writer}`) ?? 0) + 1;
    const key = next % 2 === 0 ? `counter/${writer}` : `single/${writer}/${next}`;
    ledger.sent.set(`counter/${writer}`, next);
    ledger.sent.set(key, next);
    try {
      await client.put(key, String(next), { ack: 1 });
    } catch (error) {
      if (error instanceof HearsayError && error.code === "unreachable") return;
      throw error;
    }
    ledger.acknowledged.set(key, next);
    onAck();
  }
}

async function killUnderLoad(node: RunningNode, ledger: Ledger, writes: number): Promise<void> {
  const client = new Client({ endpoints: [node.url], retry: { rounds: 1 } });
  let left = writes;
  let killed: Promise<unknown> | undefined;
  const onAck = (): void => {
    left -= 1;
    if (left === 0) killed = node.end("SIGKILL");
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, i) => writeUntilKilled(client, i, ledger, onAck)));
  expect(killed).toBeDefined();
  await killed;
}

async function checkLedger(node: RunningNode, ledger: Ledger): Promise<void> {
  const client = new Client({ endpoints: [node.url] });
  const found = new Map<string, number>();
  for await (const { key, value } of client.list()) {
    found.set(key, Number(Buffer.from(value ?? "", "base64").toString()));
  }
  const lost = [...ledger.acknowledged].filter(([key, number]) => (found.get(key) ?? 0) < number);
  const invented = [...found].filter(([key, number]) => number > (ledger.sent.get(key) ?? 0));
  expect({ lost, invented }).toEqual({ lost: [], invented: [] });
}

describe("kill -9 under load", () => {
  it(`loses no acknowledged write, ${ROUNDS} times in a row on one data directory`, async () => {
    const ledger: Ledger = { acknowledged: new Map(), sent: new Map() };
    const rounds = fc.sample(fc.integer(WRITES), ROUNDS);
    let node = await startNode(directory.path);
    for (const writes of rounds) {
      await killUnderLoad(node, ledger, writes);
      node = await startNode(directory.path);
      await checkLedger(node, ledger);
    }
    expect(ledger.acknowledged.size).toBeGreaterThan(ROUNDS * WRITES.min * 0.4);
    expect(await node.end("SIGTERM")).toBe(0);
  }, 120_000);
});
