import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { variableName } from "./knob.ts";
import { KNOB_NAMES, KNOBS } from "./knobs.ts";
import { ConfigError, type ConfigSources, loadConfig } from "./load.ts";

const directory = mkdtempSync(join(tmpdir(), "hearsay-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string, name = "node.yaml"): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function load(sources: Partial<ConfigSources>): ReturnType<typeof loadConfig> {
  return loadConfig({ flags: {}, environment: {}, file: undefined, ...sources });
}

function faults(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("configuration", () => {
  it("starts with defaults that are valid and do not contradict each other", () => {
    const { settings, origins } = load({});
    for (const name of KNOB_NAMES) {
      expect(settings[name]).toEqual(KNOBS[name].fallback);
      expect(origins.get(name)).toBe("default");
    }
  });

  it("lets a flag go before a variable, a variable before the file, the file before the default", () => {
    const path = file("name: from-file\ncluster: from-file\ndata: from-file\nlimits:\n  maxScans: 3\n");
    const { settings, origins } = load({
      file: path,
      environment: { HEARSAY_NAME: "from-environment", HEARSAY_CLUSTER: "from-environment", PATH: "/bin" },
      flags: { name: "from-flag", zone: "a" },
      ownFlags: { name: "--name" },
    });
    expect([settings.name, settings.cluster, settings.data]).toEqual([
      "from-flag",
      "from-environment",
      "from-file",
    ]);
    expect(origins.get("name")).toBe("--name");
    expect(origins.get("zone")).toBe("--set zone");
    expect(origins.get("cluster")).toBe("HEARSAY_CLUSTER");
    expect(origins.get("data")).toBe(`${path}:3`);
    expect(origins.get("limits.maxScans")).toBe(`${path}:5`);
    expect(settings["limits.maxScans"]).toBe(3);
  });

  it("derives variables from knob names", () => {
    expect(variableName("clock.maxDriftMs")).toBe("HEARSAY_CLOCK_MAX_DRIFT_MS");
    expect(variableName("limits.maxInFlightBytes")).toBe("HEARSAY_LIMITS_MAX_IN_FLIGHT_BYTES");
    expect(new Set(KNOB_NAMES.map(variableName)).size).toBe(KNOB_NAMES.length);
  });

  it("reads sizes, durations, flags and policies with their units", () => {
    const { settings } = load({
      file: file(
        'limits: { maxValueBytes: 2MiB }\nclock: { maxDriftMs: 5s }\nconflicts:\n  policy: { "a=/": discard, b: keep }\n',
      ),
      environment: { HEARSAY_LIMITS_MAX_PAGE_BYTES: "65536", HEARSAY_LOG_REQUESTS: "true" },
    });
    expect(settings["limits.maxValueBytes"]).toBe(2 * 1024 * 1024);
    expect(settings["limits.maxPageBytes"]).toBe(65_536);
    expect(settings["clock.maxDriftMs"]).toBe(5_000);
    expect(settings["log.requests"]).toBe(true);
    expect([...settings["conflicts.policy"]]).toEqual([
      ["a=/", "discard"],
      ["b", "keep"],
    ]);
  });

  it("takes texts that look like numbers as they stand", () => {
    const secret = "12345678901234567890";
    const text = `cluster: 1.10\nname: 0123\nzone: 1e3\nsecurity:\n  clusterSecret: ${secret}\njoin: [10.0, "a:1"]\n`;
    expect(faults({ file: file(text, "numbers.yaml") })).toContain('"10.0,a:1"');
    const { settings } = load({ file: file(text.replace("join", "#"), "numbers.yaml") });
    expect(settings).toMatchObject({
      cluster: "1.10",
      name: "0123",
      zone: "1e3",
      "security.clusterSecret": secret,
    });
  });

  it("names the line and the nearest setting for an unknown one", () => {
    const path = file("name: a\nlimits:\n  maxValueByte: 5\n");
    expect(faults({ file: path })).toBe(
      `${path}:3: there is no setting "limits.maxValueByte"; did you mean "limits.maxValueBytes"?`,
    );
    expect(faults({ environment: { HEARSAY_LISTN: "x" } })).toBe(
      'HEARSAY_LISTN: there is no such setting; did you mean "HEARSAY_LISTEN"?',
    );
  });

  it("reports all faults at once, each with its place", () => {
    const path = file("durability: maybe\nhistory: 5\nname: [a]\n");
    const message = faults({
      file: path,
      flags: { "limits.maxScans": "0" },
      environment: { HEARSAY_CLUSTER: "a b" },
    });
    expect(message).toContain(`${path}:1: durability is fsync or os, not "maybe"`);
    expect(message).toContain(`${path}:2: "history" is a map of settings`);
    expect(message).toContain(`${path}:3: name is`);
    expect(message).toContain("--set limits.maxScans: limits.maxScans is a whole number from 1 to 10000");
    expect(message).toContain("HEARSAY_CLUSTER: cluster is");
  });

  it("names the line of broken YAML, a file that is not there, and a file that is none", () => {
    expect(faults({ file: file("name: a\ncluster: [b\n") })).toMatch(/node\.yaml:\d+: /);
    expect(faults({ file: join(directory, "missing.yaml") })).toContain("ENOENT");
    expect(faults({ file: file("just text\n") })).toContain("node.yaml:1: the file is a map of settings");
    expect(faults({ file: file("name: a\nname: b\n") })).toContain("node.yaml:2");
    // As a template that failed leaves it; a node with all defaults would begin a cluster of its own.
    expect(faults({ file: file("\n") })).toContain("it is empty");
    expect(load({ file: file("# all defaults\n") }).settings.name).toBe("");
  });

  it("refuses to forget deletions before the slowest clock has seen them expire", () => {
    const path = file("tombstones: { minRetentionMs: 5s }\n");
    expect(faults({ file: path })).toBe(
      `clock.maxDriftMs (default), tombstones.minRetentionMs (${path}:1): clock.maxDriftMs must not exceed tombstones.minRetentionMs`,
    );
    expect(faults({ file: file("tombstones: { minRetentionMs: 5s }\nclock: { maxDriftMs: 5s }\n") })).toBe(
      "",
    );
  });

  it("refuses contradictions and names both places", () => {
    const path = file("limits:\n  headersTimeoutMs: 20s\n  requestTimeoutMs: 10s\n");
    expect(faults({ file: path })).toBe(
      `limits.headersTimeoutMs (${path}:2), limits.requestTimeoutMs (${path}:3): limits.headersTimeoutMs must not exceed limits.requestTimeoutMs`,
    );
  });

  it("refuses records that could not be read again from a snapshot", () => {
    const of = (siblings: number): object => ({
      "limits.maxValueBytes": "1MiB",
      "conflicts.maxSiblings": String(siblings),
    });
    expect(faults({ flags: { ...of(254) } })).toBe("");
    expect(faults({ flags: { ...of(255) } })).toContain("must not exceed 254 MiB");
  });

  it("listens beyond the loopback interface only when told that this is insecure", () => {
    expect(faults({ flags: { listen: "0.0.0.0:7171" } })).toContain("loopback");
    expect(faults({ flags: { listen: "[::]:7171" } })).toContain("loopback");
    expect(faults({ flags: { listen: "127.0.0.1.example.com:1" } })).toContain("loopback");
    expect(faults({ flags: { listen: "127.0.0.1:99999" } })).toContain("65535");
    const open = { listen: "0.0.0.0:7171", insecure: "true", advertise: "10.0.0.7:7171" };
    expect(load({ flags: open }).settings.insecure).toBe(true);
    expect(load({ flags: { listen: "[::1]:0" } }).settings.listen).toBe("[::1]:0");
  });

  it("advertises no address that means any, and says what to set", () => {
    for (const listen of ["0.0.0.0:7171", "[::]:7171", "0:7171", "[0:0::0]:7171", "[::ffff:0.0.0.0]:7171"]) {
      const message = faults({ flags: { listen, insecure: "true" } });
      expect(message, listen).toContain("set advertise to the HOST:PORT");
    }
    for (const advertise of ["0.0.0.0:7171", "[::]:7171", "host:0", "host:99999"]) {
      expect(faults({ flags: { advertise } }), advertise).toContain("advertise needs the address");
    }
    expect(load({ flags: { listen: "[::1]:0" } }).settings.advertise).toBe("");
  });

  it("names and joins through no address that no node would talk to", () => {
    for (const address of ["169.254.1.1:7171", "[fe80::1]:7171", "2852039166:80"]) {
      expect(faults({ flags: { advertise: address } }), address).toContain(
        `${address} is no address of a peer`,
      );
      expect(faults({ flags: { join: address } }), address).toContain(`${address} is no address of a peer`);
    }
    const near = { "peers.allowedRanges": "10.0.0.0/8" };
    expect(faults({ flags: { ...near, join: "127.0.0.1:7171" } })).toContain("outside peers.allowedRanges");
    const { join } = load({ flags: { ...near, join: "10.1.2.3:1,name:1,dns:name:1" } }).settings;
    expect(join).toHaveLength(3);
  });

  it("takes test hooks for what they are: asked for, near, and never in production", () => {
    const clock = { "test.clockFile": "/tmp/shift" };
    expect(faults({ flags: clock })).toContain("set test.hooks: true");
    const hooked = { ...clock, "test.hooks": "true" };
    expect(load({ flags: hooked }).settings["test.clockFile"]).toBe("/tmp/shift");
    expect(faults({ flags: hooked, environment: { NODE_ENV: "production" } })).toContain(
      "test.hooks (--set test",
    );
    const open = { listen: "0.0.0.0:7171", insecure: "true", advertise: "10.0.0.7:7171" };
    expect(faults({ flags: { ...hooked, ...open } })).toContain("loopback interface only");
  });

  it("takes secrets from files and never shows them", () => {
    const path = file("0123456789abcdef\n", "secret");
    const { settings, origins } = load({ environment: { HEARSAY_SECURITY_CLUSTER_SECRET_FILE: path } });
    expect(settings["security.clusterSecret"]).toBe("0123456789abcdef");
    expect(origins.get("security.clusterSecret")).toContain(path);
    expect(KNOBS["security.clusterSecret"].format("0123456789abcdef")).toBe("(set)");
    expect(faults({ environment: { HEARSAY_SECURITY_CLUSTER_SECRET: "tooshort" } })).not.toContain(
      "tooshort",
    );
    expect(faults({ environment: { HEARSAY_NAME_FILE: path } })).toContain("no such setting");
    expect(
      faults({
        environment: {
          HEARSAY_SECURITY_CLUSTER_SECRET: "0123456789abcdef",
          HEARSAY_SECURITY_CLUSTER_SECRET_FILE: path,
        },
      }),
    ).toContain("both set");
  });

  it("writes every default in a form it reads back", () => {
    for (const name of KNOB_NAMES) {
      const knob = KNOBS[name];
      const format: (value: never) => string = knob.format;
      const text = format(knob.fallback as never);
      if (text !== '""' && text !== "(none)") expect(knob.parse(text)).toEqual(knob.fallback);
    }
  });
});
