/** Faults of the disks. Those that destroy data wait until nothing is destroyed that nobody else has. */
import { HearsayError } from "@hearsay/client";
import { SeededRandom } from "@hearsay/core";
import { versionMs, writerOf } from "../check/key-writes.ts";
import { copyDirectory, flipBits, loseDirectory } from "../cluster/disk.ts";
import type { Place } from "../cluster/place.ts";
import type { Act, Came, Injector } from "./injector.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";

const GATE_MS = 8_000;
const ASK_MS = 100;
const FLIPS_MAX = 8;

export const fillDisk: Act = async ({ cluster, healing }, { forMs }) => {
  const { smallDisk } = cluster;
  if (smallDisk === undefined) return { skipped: "no file system of its own could be mounted" };
  const { disk, place } = smallDisk;
  const nodes = [place.name];
  await disk.fill();
  await pause(forMs, healing);
  await disk.makeRoom();
  return { nodes, detail: place.name };
};

export const destroyData: Act = async (injector, { kind, nodes, forMs, seed }) => {
  const place = injector.place(nodes[0] ?? 0);
  const copy = `${place.data}-copy`;
  if (kind === "old-copy") {
    await place.stop();
    await copyDirectory(place.data, copy);
    await injector.start(place);
    await pause(forMs, injector.healing);
  }
  const lostId = place.id;
  const gate = await untilOthersHold(injector, place);
  if (gate === undefined || lostId === undefined)
    return { skipped: "others did not hold all of its writes in time" };
  await place.kill();
  let detail = place.name;
  if (kind === "flip-bits") {
    const random = new SeededRandom(seed);
    const count = 1 + (seed % FLIPS_MAX);
    detail = `${place.name}: ${(await flipBits(place.data, random, count)).join(", ")}`;
  } else {
    await loseDirectory(place.data);
    if (kind === "old-copy") await copyDirectory(copy, place.data);
    else await pause(forMs, injector.healing);
  }
  await injector.start(place);
  const came: Came = { lostId, detail, kills: 1 };
  return gate.keptThrough === "" ? came : { ...came, keptThrough: gate.keptThrough };
};

interface Gate {
  /** Empty when it has acknowledged nothing. */
  readonly keptThrough: string;
}

/** Undefined when it did not come about in time. */
async function untilOthersHold(injector: Injector, place: Place): Promise<Gate | undefined> {
  const { targets, recorder, healing } = injector;
  const endMs = recorder.nowMs() + GATE_MS;
  const keptThrough = lastOf(recorder, place.id);
  while (recorder.nowMs() < endMs && !healing.aborted) {
    try {
      const { watermark, node } = await targets.client(targets.at(place.index)).cluster.status();
      if (node === place.id && watermark !== null && Date.parse(watermark) >= versionMs(keptThrough))
        return { keptThrough };
    } catch (error) {
      if (!(error instanceof HearsayError)) throw error;
    }
    await pause(ASK_MS, healing);
  }
  return undefined;
}

/** The newest version this id has acknowledged so far. */
function lastOf({ history }: Recorder, id: string | undefined): string {
  let newest = "";
  for (const { version = "", outcome } of history.writes) {
    if (outcome === "ok" && version > newest && writerOf(version) === id) newest = version;
  }
  return newest;
}
