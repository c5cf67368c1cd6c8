/** Faults of the processes. */
import { HearsayError } from "@hearsay/client";
import type { Place } from "../cluster/place.ts";
import type { Act, Injector } from "./injector.ts";
import { pause } from "./pause.ts";

/** One kill in so many is followed by another while the node starts. */
const KILLS_AT_START = 4;
/** From where a start does nothing yet to where it mostly is ready. */
const START_MS = 900;

export const killNode: Act = async (injector, { nodes, forMs, seed, amount }) => {
  const place = injector.place(nodes[0] ?? 0);
  await place.kill();
  await pause(forMs, injector.healing);
  let kills = 1;
  if (seed % KILLS_AT_START === 0 && !injector.healing.aborted) {
    const process = place.begin(injector.cluster.joinFor(place));
    process.ready().catch(() => {
      // It is killed before, or after; both are meant.
    });
    await pause(START_MS * amount, injector.healing);
    await place.kill();
    kills += 1;
  }
  await injector.start(place);
  return { kills, detail: kills > 1 ? `${place.name}, and again while it starts` : place.name };
};

export const killAll: Act = async (injector, { forMs }) => {
  const { places } = injector.cluster;
  await Promise.all(places.map((place) => place.kill()));
  await pause(forMs, injector.healing);
  await Promise.all(places.map((place) => injector.start(place)));
  return { kills: places.length };
};

export const stopNode: Act = async (injector, { nodes, forMs }) => {
  const place = injector.place(nodes[0] ?? 0);
  await place.stop();
  await pause(forMs, injector.healing);
  await injector.start(place);
  return {};
};

export const pauseNode: Act = async (injector, { nodes, forMs }) => {
  const place = injector.place(nodes[0] ?? 0);
  place.pause();
  await pause(forMs, injector.healing);
  const pastSuspicion = await isTakenForDead(injector, place);
  await place.wake();
  return { pastSuspicion };
};

const ASK_TIMEOUT_MS = 1_000;

/** Whether some other node says so. */
async function isTakenForDead({ cluster, targets }: Injector, { id, index }: Place): Promise<boolean> {
  const said = await Promise.all(
    cluster.places.map(async (other) => {
      if (other.index === index || !other.runs) return false;
      try {
        const client = targets.client(targets.at(other.index));
        const { members } = await client.cluster.status({ timeoutMs: ASK_TIMEOUT_MS });
        return members.some((member) => member.id === id && member.state === "dead");
      } catch (error) {
        if (!(error instanceof HearsayError)) throw error;
        return false;
      }
    }),
  );
  return said.includes(true);
}
