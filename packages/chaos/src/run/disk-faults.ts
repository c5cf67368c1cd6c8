/** Faults of the disks. Those that destroy data wait until nothing is destroyed that nobody else has. */
import { HearsayError } from "@hearsay/client";
import { SeededRandom } from "@hearsay/core";
import { versionMs, writerOf } from "../check/key-writes.ts";
import { copyDirectory, flipBits, loseDirectory } from "../cluster/disk.ts";
import type { Place } from "../cluster/place.ts";
import type { PlannedFault } from "../plan/schedule.ts";
import type { Act, Came, Injector } from "./injector.ts";
import { everythingOf } from "./mutexes.ts";
import { pause } from "./pause.ts";
import type { Recorder } from "./recorder.ts";

const GATE_MS = 8_000;
const ASK_MS = 100;
const FLIPS_MAX = 8;
const NEVER: AbortSignal = new AbortController().signal;

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

export const destroyData: Act = async (injector, fault) => {
  const place = injector.place(fault.nodes[0] ?? 0);
  const copy = `${place.data}-copy`;
  const copiedId = place.id;
  if (fault.kind === "old-copy") {
    await injector.mutexes.hold([place.index], async () => {
      await place.stop();
      await copyDirectory(place.data, copy);
      await injector.start(place);
    });
    await pause(fault.forMs, injector.healing);
  }
  const lostId = place.id;
  // An old copy knows nothing of an id that was minted when its node started again.
  let isGone = fault.kind === "disk-lost" || (fault.kind === "old-copy" && lostId !== copiedId);
  // Nothing else goes on until the node is back, or others would not come to hold what it holds.
  const came = await injector.mutexes.hold(
    everythingOf(injector.cluster.places.length),
    async (): Promise<Came> => {
      const gate = await untilOthersHold(injector, place);
      if (gate === undefined || lostId === undefined)
        return { skipped: "others did not hold all of its writes in time" };
      await place.kill();
      const detail = await destroy(place, fault, copy);
      // As long as all is held: what it acknowledges later nobody else may have when its directory goes.
      const isFlipped = fault.kind === "flip-bits";
      isGone = (await injector.start(place, isFlipped)) || isGone;
      // What is salvaged may be of a time before the id was minted: then nothing in the directory could tell that the new one follows it.
      isGone ||= isFlipped && place.id !== lostId;
      const { keptThrough } = gate;
      return { lostId, detail, kills: 1, ...(keptThrough === "" ? undefined : { keptThrough }) };
    },
  );
  if (isGone && came.lostId !== undefined) {
    injector.gone.add(came.lostId);
    const others = injector.cluster.places.filter((other) => other !== place);
    await forget(injector, came.lostId, others, injector.recorder.nowMs() + FORGET_MS);
  }
  return came;
};

async function destroy(place: Place, { kind, seed }: PlannedFault, copy: string): Promise<string> {
  if (kind === "flip-bits") {
    const flipped = await flipBits(place.data, new SeededRandom(seed), 1 + (seed % FLIPS_MAX));
    return `${place.name}: ${flipped.join(", ")}`;
  }
  await loseDirectory(place.data);
  if (kind === "old-copy") await copyDirectory(copy, place.data);
  return place.name;
}

const FORGET_MS = 20_000;

/**
 * What an operator does who knows that a directory is gone: nothing in a new one could tell that it follows another. Any of the places may
 * do it.
 */
async function forget(
  injector: Injector,
  id: string,
  places: readonly Place[],
  endMs: number,
): Promise<void> {
  const { targets, recorder } = injector;
  while (recorder.nowMs() < endMs) {
    for (const { index } of places.filter(({ runs }) => runs)) {
      try {
        await targets.client(targets.at(index)).cluster.forget(id, { confirm: true });
        return;
      } catch (error) {
        if (!(error instanceof HearsayError)) throw error;
        // Gone from the table: another try had reached it.
        if (error.code === "member_not_found") return;
      }
    }
    await pause(ASK_MS, NEVER);
  }
}

/** When the faults are over: the one that was told may have lost its own directory before it had told anybody else. */
export async function forgetAgain(injector: Injector): Promise<void> {
  const { cluster, gone, recorder } = injector;
  const endMs = recorder.nowMs() + FORGET_MS;
  for (const id of gone)
    await Promise.all(cluster.places.map((place) => forget(injector, id, [place], endMs)));
}

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
