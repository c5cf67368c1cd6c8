/** What is in deploy/, as far as it can be checked without the engines it is for: against the real flags, knobs and paths. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KNOBS, variableName } from "@hearsay/server";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { hearsay, MAIN, temporaryDirectory } from "./cli-process.ts";

const top = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(top, path), "utf8");

/** Fields of what was parsed, which every test checks by matching. */
type Tree = Readonly<Record<string, unknown>>;

function tree(value: unknown): Tree {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Whether a node would start with them: the flags are those of serve, and all settings are checked. */
async function settingsOf(args: readonly string[], env: Readonly<Record<string, string>>): Promise<unknown> {
  const [command, ...flags] = args;
  expect(command).toBe("serve");
  const shown = await hearsay(["config", "show", "--json", ...flags], { env });
  expect(shown).toMatchObject({ code: 0 });
  const rows: unknown = JSON.parse(shown.text);
  return Object.fromEntries(
    (Array.isArray(rows) ? rows : []).map((row: unknown) => [String(tree(row)["name"]), tree(row)["value"]]),
  );
}

/** What reads of records that were read before have ready (docs/http.md). */
const PREPARED_BYTES = 32 * 1024 * 1024;
/** `wait` and `timeout` of a request (docs/http.md). */
const WAIT_MAX_MS = 600_000;
const GRACE_SECONDS = KNOBS["shutdown.graceMs"].fallback / 1000;
const has = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;

describe("the container image", () => {
  const lines = read("deploy/Dockerfile").split("\n");

  it("is built from what is there, on Node 24, and runs as a number that is not root", () => {
    const stages = lines.filter((line) => line.startsWith("FROM "));
    expect(stages).toEqual(["FROM node:24-slim AS build", "FROM node:24-slim"]);
    expect(lines).toContain("USER 1000:1000");
    const copied = lines.filter((line) => line.startsWith("COPY ") && !line.includes("--from="));
    const sources = copied.flatMap((line) => line.split(" ").slice(1, -1));
    expect(sources.length).toBeGreaterThan(4);
    for (const path of sources) expect(existsSync(join(top, path)), path).toBe(true);
    expect(lines.join("\n")).toContain(`pnpm@${/pnpm@([\d.]+)/.exec(read("package.json"))?.[1]} `);
  });

  it("starts a node with its entry point, data and probe as they really are", async () => {
    const text = lines.join("\n");
    const command: unknown = JSON.parse(/^CMD (\[.*\])$/m.exec(text)?.[1] ?? "");
    const settings = await settingsOf(texts(command), { HEARSAY_DATA: "/data" });
    expect(settings).toMatchObject({ data: "/data", listen: "127.0.0.1:7171" });
    expect(text).toContain(`HEARSAY_DATA=/data`);
    expect(text).toContain("http://127.0.0.1:7171/livez");
    const bin: unknown = tree(JSON.parse(read("packages/cli/package.json")))["bin"];
    expect(tree(bin)["hearsay"]).toBe("./dist/main.js");
    expect(text).toContain('ENTRYPOINT ["node", "/opt/hearsay/dist/main.js"]');
    // By its name it is called by probes, and by whoever has a shell in it.
    const named = /^RUN chmod 0?755 (\S+) && ln -s (\S+) \/usr\/local\/bin\/hearsay$/m.exec(text);
    expect(named?.slice(1)).toEqual(["/opt/hearsay/dist/main.js", "/opt/hearsay/dist/main.js"]);
  });
});

describe("compose", () => {
  const compose = tree(parse(read("deploy/compose.yaml"), { merge: true }));
  const services = Object.entries(tree(compose["services"])).map(
    ([name, service]) => ({ name, ...tree(service) }) as Tree,
  );

  it("runs three nodes that name each other, with valid settings and time to stop", async () => {
    expect(services.map(({ name }) => name)).toEqual(["n1", "n2", "n3"]);
    for (const service of services) {
      const { HEARSAY_SECURITY_CLUSTER_SECRET_FILE: secret, ...environment } = tree(service["environment"]);
      expect(secret).toBe("/run/secrets/cluster");
      const env = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [name, String(value)]),
      );
      const settings = tree(await settingsOf(texts(service["command"]), { ...env, HEARSAY_DATA: "/data" }));
      const others = services
        .map(({ name }) => `${name}:7171`)
        .filter((address) => address !== `${service["name"]}:7171`);
      expect(settings).toMatchObject({
        name: service["name"],
        advertise: `${service["name"]}:7171`,
        join: others.join(","),
      });
      expect(Number.parseInt(String(service["stop_grace_period"]), 10)).toBeGreaterThan(GRACE_SECONDS);
      expect(service["volumes"]).toEqual([`${service["name"]}:/data`]);
    }
    expect(services.flatMap((service) => texts(service["ports"]))).toEqual(["127.0.0.1:7171:7171"]);
  });

  it("takes the secret from a variable that the command line lets stand beside it", async () => {
    const secret = String(tree(tree(compose["secrets"])["cluster"])["environment"]);
    const env = { [secret]: "0123456789abcdef" };
    expect(await hearsay(["config", "show"], { env })).toMatchObject({ code: 0 });
  });

  it.skipIf(!has("docker", "compose", "version"))("is accepted by docker compose, where that is", () => {
    const env = { ...process.env, CLUSTER_SECRET: "0123456789abcdef" };
    execFileSync("docker", ["compose", "-f", join(top, "deploy/compose.yaml"), "config", "-q"], { env });
  });
});

describe("Kubernetes", () => {
  const documents = parseAllDocuments(read("deploy/kubernetes/hearsay.yaml")).map((document) => {
    expect(document.errors).toEqual([]);
    return tree(document.toJS());
  });
  const of = (kind: string, name: string): Tree =>
    documents.find((one) => one["kind"] === kind && tree(one["metadata"])["name"] === name) ?? {};
  const set = tree(of("StatefulSet", "hearsay")["spec"]);
  const pod = tree(tree(set["template"])["spec"]);
  const container = tree((pod["containers"] as unknown[] | undefined)?.[0]);

  it("has a headless service that names nodes before they are ready, and starts all at once", () => {
    expect(of("Service", String(set["serviceName"]))).toMatchObject({
      spec: { clusterIP: "None", publishNotReadyAddresses: true, ports: [{ port: 7171 }] },
    });
    expect(set).toMatchObject({ replicas: 3, podManagementPolicy: "Parallel" });
    const labels = tree(tree(tree(set["template"])["metadata"])["labels"]);
    for (const [kind, name] of [
      ["Service", "hearsay"],
      ["Service", "hearsay-nodes"],
    ] as const) {
      expect(tree(of(kind, name)["spec"])["selector"]).toEqual(labels);
    }
    expect(set["selector"]).toEqual({ matchLabels: labels });
    expect(of("PodDisruptionBudget", "hearsay")).toMatchObject({ spec: { maxUnavailable: 1 } });
  });

  it("runs nodes with valid settings that join through the service, without variables they would refuse", async () => {
    const env = (container["env"] as unknown[]).map(tree);
    const plain = env
      .filter(({ value }) => value !== undefined)
      .map(({ name, value }) => [String(name), String(value)]);
    const known = new Set(Object.keys(KNOBS).map((knob) => variableName(knob)));
    for (const name of env.map((one) => String(one["name"])))
      if (name !== "POD_NAME") expect(known).toContain(name);
    const args = texts(container["args"]).map((word) => word.replaceAll("$(POD_NAME)", "hearsay-0"));
    const settings = await settingsOf(args, { ...Object.fromEntries(plain), HEARSAY_DATA: "/data" });
    expect(settings).toMatchObject({
      name: "hearsay-0",
      advertise: `hearsay-0.${set["serviceName"]}:7171`,
      join: `dns:${set["serviceName"]}:7171`,
    });
    expect(pod["enableServiceLinks"]).toBe(false);
    // The manual has it taken away by its place.
    const place = args.findIndex((arg) => arg.startsWith("--join"));
    expect(read("docs/deployment.md")).toContain(`/spec/template/spec/containers/0/args/${place}"`);
  });

  it("probes what nodes answer, gives them time to stop, and lets them write to their volume alone", () => {
    const probe = (path: string): unknown => ({ httpGet: { path, port: "http" } });
    expect(container).toMatchObject({
      livenessProbe: probe("/livez"),
      readinessProbe: probe("/readyz"),
      ports: [{ name: "http", containerPort: 7171 }],
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    });
    expect(pod).toMatchObject({ securityContext: { runAsNonRoot: true, runAsUser: 1000 } });
    expect(set["volumeClaimTemplates"]).toMatchObject([{ metadata: { name: "data" } }]);
  });

  it("lets requests that are still sent to a pod end before the node does, and both before the pod is killed", () => {
    const [command, seconds] = texts(tree(tree(tree(container["lifecycle"])["preStop"])["exec"])["command"]);
    expect(command).toBe("sleep");
    expect(Number(seconds)).toBeGreaterThan(2);
    expect(pod["terminationGracePeriodSeconds"]).toBeGreaterThan(Number(seconds) + GRACE_SECONDS);
  });

  it.each([
    ["has caught up", true, "10m", 0],
    ["has not in time", false, "300ms", 0],
    ["answers with something else", undefined, "10m", 1],
  ])("counts a pod as started, or not, whose node %s", async (_, complete, patience, expected) => {
    const startup = tree(container["startupProbe"]);
    const [shell = "", flag = "", script = ""] = texts(tree(startup["exec"])["command"]);
    const [all = "", minutes = ""] = /--timeout (\d+)m /.exec(script) ?? [];
    expect(Number(startup["timeoutSeconds"])).toBeGreaterThan(60 * Number(minutes));
    const checks = [
      { name: "joining", ok: true, detail: "no" },
      { name: "complete", ok: complete, detail: "" },
    ];
    const answer = complete === undefined ? {} : { ready: true, checks };
    const node = createServer((__, response) => response.end(JSON.stringify(answer))).listen(0, "127.0.0.1");
    await once(node, "listening");
    const bin = temporaryDirectory();
    try {
      const command = `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`;
      writeFileSync(join(bin.path, "hearsay"), command, { mode: 0o755 });
      const { port } = node.address() as AddressInfo;
      const env = {
        ...process.env,
        PATH: `${bin.path}:${process.env["PATH"]}`,
        HEARSAY_ENDPOINT: `http://127.0.0.1:${port}`,
      };
      const probe = spawn(shell, [flag, script.replace(all, `--timeout ${patience} `)], {
        env,
        stdio: "ignore",
      });
      expect(await once(probe, "exit")).toEqual([expected, null]);
    } finally {
      node.closeAllConnections();
      node.close();
      bin.remove();
    }
  });

  it("has the memory that its settings may come to with their defaults", () => {
    const bounds =
      KNOBS["store.cacheMaxBytes"].fallback +
      PREPARED_BYTES +
      KNOBS["store.blockCacheBytes"].fallback +
      2 * KNOBS["store.writeBufferBytes"].fallback +
      2 * KNOBS["limits.maxInFlightBytes"].fallback +
      2 * KNOBS["store.pendingMaxBytes"].fallback +
      3 * KNOBS["limits.maxPageBytes"].fallback * KNOBS["limits.maxScans"].fallback +
      KNOBS["watch.maxHeldBytes"].fallback +
      KNOBS["watch.logMaxBytes"].fallback +
      KNOBS["watch.maxScans"].fallback * KNOBS["watch.maxReaderBytes"].fallback;
    const mib = bounds / 1024 / 1024;
    expect(read("docs/deployment.md")).toContain(`They come to some ${Math.floor(mib / 10) * 10} MiB`);
    const limit = String(tree(tree(container["resources"])["limits"])["memory"]);
    // Half of it for what is no buffer: the heap's garbage, Node.js and the code.
    expect(Number.parseInt(limit, 10) * (limit.endsWith("Gi") ? 1024 : 1)).toBeGreaterThanOrEqual(2 * mib);
  });
});

describe("the settings for nginx", () => {
  const [, settings = ""] = /```nginx\n(.*?)```/s.exec(read("docs/deployment.md")) ?? [];

  it("repeat no write, cut no wait off and bound no body", () => {
    const hours = /^ *proxy_read_timeout (\d+)h;/m.exec(settings)?.[1];
    expect(Number(hours) * 3_600_000).toBeGreaterThan(WAIT_MAX_MS);
    for (const directive of [
      "proxy_http_version 1.1",
      "proxy_next_upstream off",
      "client_max_body_size 0",
      "proxy_request_buffering off",
      "proxy_buffering off",
    ]) {
      expect(settings).toContain(`${directive};`);
    }
  });

  it.skipIf(!has("nginx", "-v"))("are accepted by nginx, where that is", () => {
    const directory = temporaryDirectory();
    try {
      const here = settings.replaceAll(/server n\d:/g, "server 127.0.0.1:");
      const spools = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (of) => `${of}_temp_path spool-${of};`,
      );
      const http = `access_log off; ${spools.join(" ")} ${here}`;
      const own = `pid pid; error_log stderr; events {} http { ${http} }`;
      writeFileSync(join(directory.path, "nginx.conf"), own);
      const args = ["-t", "-q", "-p", directory.path, "-c", "nginx.conf"];
      expect(spawnSync("nginx", args, { encoding: "utf8" })).toMatchObject({ status: 0 });
    } finally {
      directory.remove();
    }
  });
});

describe("systemd", () => {
  const units = ["hearsay", "hearsay-agent"].map((name) => ({
    name,
    text: read(`deploy/systemd/${name}.service`),
  }));
  const fieldOf = (text: string, field: string): string =>
    new RegExp(`^${field}=(.*)$`, "m").exec(text)?.[1] ?? "";

  it("starts commands with flags that there are, and gives them time to stop", async () => {
    for (const { name, text } of units) {
      const [command, subcommand = "", ...args] = fieldOf(text, "ExecStart").split(" ");
      expect(command).toBe("hearsay");
      const { text: help } = await hearsay([subcommand, "--help"]);
      for (const flag of args.filter((word) => word.startsWith("-")))
        expect(help).toMatch(new RegExp(`\\s${flag}[ ,]`));
      expect(Number.parseInt(fieldOf(text, "TimeoutStopSec"), 10)).toBeGreaterThan(GRACE_SECONDS);
      expect(`/var/lib/${fieldOf(text, "StateDirectory")}`).toBe(`/var/lib/${name}`);
    }
    expect(units[0]?.text).toContain("--data /var/lib/hearsay");
    for (const { text } of units) expect(text).toMatch(/^\[Unit\]\n[^[]*^StartLimitIntervalSec=0$/m);
    expect(read("deploy/systemd/agent.yaml")).toContain("state: /var/lib/hearsay-agent");
    expect(read("deploy/systemd/agent.yaml")).toMatch(/check: .*\{staged\}/);
    expect(units[1]?.text).toContain("ExecReload=kill -HUP $MAINPID");
  });

  it("hands the secret to the node alone, by a setting that takes a file", () => {
    const unit = units[0]?.text ?? "";
    const [, id = "", source] = /^(.*):(.*)$/.exec(fieldOf(unit, "LoadCredential")) ?? [];
    expect(source).toBe("/etc/hearsay/cluster-secret");
    expect(fieldOf(unit, "Environment")).toBe(`${variableName("security.clusterSecret")}_FILE=%d/${id}`);
    expect(KNOBS["security.clusterSecret"].kind).toBe("secret");
    expect(read("docs/deployment.md")).toContain(`install -m 0600 /dev/null ${source}`);
  });

  it("comes with settings for the agent that it takes", async () => {
    const path = join(top, "deploy/systemd/agent.yaml");
    const dry = await hearsay([
      "agent",
      "-c",
      path,
      "--dry-run",
      "-e",
      "http://127.0.0.1:9",
      "--timeout",
      "1ms",
    ]);
    // The settings are read first: what is wrong with them would be a usage error.
    expect(dry).toMatchObject({ code: 6 });
  });

  it.skipIf(!has("systemd-analyze", "--version"))("is accepted by systemd-analyze, where that is", () => {
    const directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
    try {
      for (const { name, text } of units) {
        const path = join(directory, `${name}.service`);
        // The command need not be installed here.
        writeFileSync(path, text.replace("ExecStart=hearsay ", `ExecStart=${process.execPath} `));
        const verified = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
        const own = verified.stderr.split("\n").filter((line) => line.includes(`${name}.service`));
        expect(own).toEqual([]);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
