/** What has to hold between knobs, so that a contradiction stops the start instead of a request. */
import { RECORD_VALUES_MAX_BYTES } from "@hearsay/store";
import { AddressPolicy, AddressRefused } from "../peer/address-policy.ts";
import type { KnobName, Settings } from "./knobs.ts";

export interface Contradiction {
  readonly knobs: readonly KnobName[];
  readonly message: string;
}

type NumericKnob = { [Name in KnobName]: Settings[Name] extends number ? Name : never }[KnobName];

/** The first may not exceed the second. */
const ORDERED: readonly (readonly [NumericKnob, NumericKnob])[] = [
  ["limits.headersTimeoutMs", "limits.requestTimeoutMs"],
  ["limits.timeoutCheckMs", "limits.requestTimeoutMs"],
  ["limits.maxValueBytes", "limits.maxInFlightBytes"],
  ["limits.maxBatchBytes", "limits.maxInFlightBytes"],
  ["limits.maxValueBytes", "store.pendingMaxBytes"],
  ["limits.maxBatchBytes", "store.pendingMaxBytes"],
  ["swim.probeTimeoutMs", "swim.probeIntervalMs"],
  ["clock.maxDriftMs", "security.messageWindowMs"],
  // What is dead by the fastest clock may still be shown by the slowest.
  ["clock.maxDriftMs", "tombstones.minRetentionMs"],
  ["rumor.inlineMaxBytes", "gossip.maxMessageBytes"],
  ["limits.maxValueBytes", "gossip.maxMessageBytes"],
  ["overload.scansLagMs", "overload.writesLagMs"],
  ["overload.writesLagMs", "overload.readsLagMs"],
];

export function contradictions(settings: Settings): Contradiction[] {
  const found: Contradiction[] = [];
  for (const [smaller, larger] of ORDERED) {
    if (settings[smaller] > settings[larger]) {
      found.push({ knobs: [smaller, larger], message: `${smaller} must not exceed ${larger}` });
    }
  }
  found.push(...recordContradictions(settings));
  found.push(...addressContradictions(settings), ...peerContradictions(settings));
  found.push(...testContradictions(settings));
  return found;
}

/** Every record has to be read again from a snapshot. */
function recordContradictions(settings: Settings): Contradiction[] {
  const bytes = settings["limits.maxValueBytes"] * settings["conflicts.maxSiblings"];
  if (bytes <= RECORD_VALUES_MAX_BYTES) return [];
  const most = `${RECORD_VALUES_MAX_BYTES / 1024 / 1024} MiB`;
  const message = `a key's values may come to limits.maxValueBytes times conflicts.maxSiblings, which must not exceed ${most}, what a snapshot takes of one key`;
  return [{ knobs: ["limits.maxValueBytes", "conflicts.maxSiblings"], message }];
}

/** A node that misbehaves on purpose is within reach of nobody but the test. */
function testContradictions(settings: Settings): Contradiction[] {
  const found: Contradiction[] = [];
  if (settings["test.clockFile"] !== "" && !settings["test.hooks"]) {
    found.push({
      knobs: ["test.clockFile"],
      message: "a wrong clock is for tests; set test.hooks: true as well if this is one",
    });
  }
  if (settings["test.hooks"] && !isLoopback(parseListen(settings.listen).host)) {
    found.push({
      knobs: ["test.hooks", "listen"],
      message: "a node with test hooks listens on the loopback interface only",
    });
  }
  return found;
}

function addressContradictions(settings: Settings): Contradiction[] {
  const found: Contradiction[] = [];
  const { host, port } = parseListen(settings.listen);
  if (port > 65_535) found.push({ knobs: ["listen"], message: "listen needs a port from 0 to 65535" });
  if (!settings.insecure && !isLoopback(host)) {
    found.push({
      knobs: ["listen", "insecure"],
      message:
        "a node without tokens listens on the loopback interface only; listen on 127.0.0.1, or set insecure: true if everyone who reaches the port may do everything",
    });
  }
  if (settings.advertise === "" && isWildcard(host)) {
    found.push({
      knobs: ["listen", "advertise"],
      message: `${host} stands for all addresses of this machine, and others cannot reach the node there; set advertise to the HOST:PORT at which they do`,
    });
  }
  if (settings.advertise !== "") {
    const advertised = parseListen(settings.advertise);
    if (isWildcard(advertised.host) || advertised.port === 0 || advertised.port > 65_535) {
      found.push({
        knobs: ["advertise"],
        message: "advertise needs the address and port at which others reach the node, from 1 to 65535",
      });
    }
  }
  return found;
}

/** Addresses that no node would ever talk to. Names are judged when they are looked up. */
function peerContradictions(settings: Settings): Contradiction[] {
  const policy = new AddressPolicy(settings["peers.allowedRanges"]);
  const isRefused = (address: string): boolean => {
    try {
      policy.origin(address);
      return false;
    } catch (error) {
      if (error instanceof AddressRefused) return true;
      throw error;
    }
  };
  const named = { advertise: settings.advertise === "" ? [] : [settings.advertise], join: settings.join };
  return (["advertise", "join"] as const).flatMap((knob) =>
    named[knob]
      .filter((address) => !address.startsWith("dns:") && isRefused(address))
      .map((address) => ({
        knobs: [knob, "peers.allowedRanges"],
        message: `${address} is no address of a peer: outside peers.allowedRanges, or link-local, which never is one`,
      })),
  );
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export function parseListen(listen: string): ListenAddress {
  const colon = listen.lastIndexOf(":");
  const host = listen.slice(0, colon);
  return {
    host: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(listen.slice(colon + 1)),
  };
}

/** Any way to write the unspecified address, which a resolver takes too. */
function isWildcard(host: string): boolean {
  return (
    /^[0.]+$/.test(host) ||
    /^[0:]*:[0:]*(?:0\.0\.0\.0)?$/.test(host) ||
    host.toLowerCase() === "::ffff:0.0.0.0"
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
