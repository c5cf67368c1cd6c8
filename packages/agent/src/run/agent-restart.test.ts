/** What an agent keeps for the next one, and what that makes of it. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { ManualPorts } from "../ports.contract.ts";
import { FakeSource } from "../values/source.contract.ts";
import { agentDirectory, type Started } from "./agent.contract.ts";
import { dryRun } from "./dry-run.ts";

const { at, textOf, startAgent } = agentDirectory();

/** Starts while no node answers, up to the end of the first round. */
async function startAlone(files: string): Promise<Started> {
  const started = await startAgent(files);
  started.ports.pass(5_000);
  await started.agent.firstRound();
  return started;
}

async function logged({ ports }: Started, event: string): Promise<void> {
  const next = ports.next(event);
  ports.pass(60);
  await next;
}

const RAW = `  - { path: raw, key: p/raw, prefixes: [p/] }\n`;
/** On the same prefix, and not made while `p/bad` has no value. */
const BAD = `  - { path: bad, key: p/bad, prefixes: [p/] }\n`;

describe("an agent that ends", () => {
  it("keeps all that is good by then, also what came to be while it wrote", async () => {
    const { agent, source, state } = await startAgent(
      `${RAW}  - { path: other, key: q/raw, prefixes: [q/] }\n`,
    );
    const save = state.saveCopy.bind(state);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    state.saveCopy = async (prefix, values) => {
      await gate;
      await save(prefix, values);
    };
    source.backlog("p/", { raw: "1" });
    await vi.waitFor(() => expect(agent.status().files[0]).toMatchObject({ state: "idle" }));
    source.backlog("q/", { raw: "2" });
    await agent.firstRound();
    const stopped = agent.stop();
    go();
    await stopped;
    expect([...((await state.loadCopy("p/")) ?? [])]).toEqual([["p/raw", Buffer.from("1")]]);
    expect([...((await state.loadCopy("q/")) ?? [])]).toEqual([["q/raw", Buffer.from("2")]]);
  });

  it("tries a copy again that could not be written", async () => {
    const { agent, source, ports, state } = await startAgent(RAW);
    const save = state.saveCopy.bind(state);
    state.saveCopy = () => Promise.reject(new Error("ENOSPC"));
    const failed = ports.next("copy_not_saved");
    source.backlog("p/", { raw: "1" });
    await failed;
    expect(agent.status().copies.error?.message).toBe("ENOSPC");
    state.saveCopy = save;
    await agent.firstRound();
    ports.pass(10_000);
    await vi.waitFor(() => expect(agent.status().copies.error).toBeUndefined());
    expect((await state.loadCopy("p/"))?.size).toBe(1);
  });
});

describe("an agent that starts while no node answers", () => {
  /** `raw` is made of newer values than the copy has. */
  async function leaveNewer(): Promise<void> {
    const first = await startAgent(RAW + BAD);
    first.source.backlog("p/", { raw: "one", bad: "one" });
    await vi.waitFor(() => expect(first.agent.status().copies.savedAt).toBeDefined());
    first.source.put("p/", { bad: undefined, raw: "two" });
    await logged(first, "missing_keys");
    await vi.waitFor(() => expect(textOf("raw")).toBe("two"));
    await first.agent.stop();
  }

  it("leaves a file as it is that was made of newer values than the copy has, and follows again", async () => {
    await leaveNewer();
    const second = await startAlone(RAW + BAD);
    expect(textOf("raw")).toBe("two");
    expect(second.agent.status()).toMatchObject({
      ready: true,
      stale: true,
      files: [{ stale: true }, { stale: true }],
    });
    // Somebody went back meanwhile: these are the values of the copy.
    second.source.backlog("p/", { raw: "one", bad: "one" });
    await logged(second, "file");
    expect(textOf("raw")).toBe("one");
    await vi.waitFor(() => expect(second.agent.status()).toMatchObject({ ready: true, stale: false }));
  });

  it("makes it of the copy when somebody else has changed it, or it is gone", async () => {
    await leaveNewer();
    writeFileSync(at("raw"), "own");
    await (await startAlone(RAW + BAD)).agent.stop();
    expect(textOf("raw")).toBe("one");
    rmSync(at("raw"));
    await startAlone(RAW + BAD);
    expect(textOf("raw")).toBe("one");
  });

  it("makes it anew of the copy when the template is another one and the values are not older", async () => {
    writeFileSync(at("t.eta"), `<%= it.get("p/raw") %>`);
    const FILE = `  - { path: raw, template: t.eta, prefixes: [p/] }\n`;
    const first = await startAgent(FILE);
    first.source.backlog("p/", { raw: "one", other: "1" });
    await first.agent.firstRound();
    // Nothing of the file changes, and its note is of the new values all the same.
    first.source.put("p/", { other: "2" });
    first.ports.pass(60);
    await vi.waitFor(() => expect(first.agent.status().files[0]).toMatchObject({ state: "idle" }));
    await first.agent.stop();
    writeFileSync(at("t.eta"), `new <%= it.get("p/raw") %>`);
    await startAlone(FILE);
    expect(textOf("raw")).toBe("new one");
  });

  it("is no longer stale once a node has confirmed the values", async () => {
    const first = await startAgent(RAW);
    first.source.backlog("p/", { raw: "one" });
    await first.agent.firstRound();
    await first.agent.stop();
    const { agent, source, ports } = await startAlone(RAW);
    expect(agent.status().stale).toBe(true);
    source.backlog("p/", { raw: "one" });
    ports.pass(60);
    await vi.waitFor(() => expect(agent.status().stale).toBe(false));
  });
});

describe("the guard", () => {
  it("compares with what was installed, by an earlier agent and without a reload too", async () => {
    const FILES = `${RAW.replace(" }", ", reload: 'false' }")}${BAD}`;
    const first = await startAgent(FILES);
    first.source.backlog("p/", { raw: "value", a: "1", b: "2", c: "3" });
    await first.agent.firstRound();
    first.source.put("p/", { raw: "other", a: undefined, b: undefined, c: undefined });
    await logged(first, "prefix_shrank");
    await first.agent.stop();
    expect(await first.state.loadCopy("p/")).toBeUndefined();
    const second = await startAgent(FILES);
    second.source.backlog("p/", { raw: "other" });
    await second.agent.firstRound();
    expect(second.agent.status().files[0]?.error).toMatchObject({ code: "prefix_shrank" });
    expect(textOf("raw")).toBe("value");
  });

  it("is asked in a dry run too", async () => {
    writeFileSync(at("agent.yaml"), `state: state\nfiles:\n${RAW}`);
    const first = await startAgent(RAW);
    first.source.backlog("p/", { raw: "value", a: "1", b: "2", c: "3" });
    await first.agent.firstRound();
    await first.agent.stop();
    const [source, ports, allowEmpty] = [new FakeSource(), new ManualPorts(), false];
    const options = { path: at("agent.yaml"), ports, sourceOf: () => source, allowEmpty };
    const ended = dryRun(
      { ...options, servesStatus: false, failOnMissing: false },
      new AbortController().signal,
    );
    await vi.waitFor(() => source.backlog("p/", { raw: "other" }));
    expect(await ended).toMatchObject([
      { after: Buffer.from("other"), error: { fault: { code: "prefix_shrank" } } },
    ]);
  });

  it("makes no empty file where there is none", async () => {
    const { agent, source } = await startAgent(RAW.replace(" }", `, reload: "touch ${at("reloaded")}" }`));
    source.backlog("p/", { raw: "" });
    await agent.firstRound();
    expect(agent.status().files[0]?.error).toMatchObject({ code: "would_empty" });
    expect([existsSync(at("raw")), existsSync(at("reloaded"))]).toEqual([false, false]);
  });

  it("takes no file that its check has changed, or removed", async () => {
    for (const command of [": >", "rm"]) {
      const { agent, source } = await startAgent(
        RAW.replace(" }", `, check: '${command} "$HEARSAY_STAGED"' }`),
      );
      source.backlog("p/", { raw: "value" });
      await agent.firstRound();
      expect(agent.status().files[0]?.error).toMatchObject({ code: "staged_changed" });
      expect(existsSync(at("raw"))).toBe(false);
    }
  });
});

describe("a reload that is owed", () => {
  it("is made though newer values fail, and is shown until then", async () => {
    const { agent, source, ports, state } = await startAgent(
      RAW.replace(
        " }",
        `, check: '! grep bad "$HEARSAY_STAGED"', reload: "test -e ${at("up")} && cp ${at("raw")} ${at("loaded")}" }`,
      ),
    );
    source.backlog("p/", { raw: "one" });
    await agent.firstRound();
    expect(agent.status().files[0]).toMatchObject({ reloadOwed: true, error: { code: "command_failed" } });
    writeFileSync(at("up"), "");
    source.put("p/", { raw: "bad" });
    const failed = ports.next("command_failed");
    ports.pass(60);
    await failed;
    expect(textOf("loaded")).toBe("one");
    expect(agent.status().files[0]).toMatchObject({ reloadOwed: false, error: { code: "command_failed" } });
    expect(await state.owes(at("raw"))).toBe(false);
  });

  it("is not owed when the file could not be replaced, and the note stays as it was", async () => {
    const check = `'grep -q one "$HEARSAY_STAGED" || { rm ${at("raw")}; mkdir ${at("raw")}; }'`;
    const started = await startAgent(RAW.replace(" }", `, reload: "true", check: ${check} }`));
    const { agent, source, state } = started;
    source.backlog("p/", { raw: "one" });
    await agent.firstRound();
    const note = await state.loadNote(at("raw"));
    expect(note?.prefixes).toMatchObject([{ prefix: "p/", keys: 1 }]);
    source.put("p/", { raw: "two" });
    await logged(started, "file_unusable");
    expect(await state.owes(at("raw"))).toBe(false);
    expect(await state.loadNote(at("raw"))).toEqual(note);
  });
});
