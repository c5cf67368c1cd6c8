/** An exchange of two small replicas: start, differing keys, records one way, records the other way. */
import type { HlcTime } from "../clock.ts";
import { type KeyRecord, latestTime, purgeableFrom } from "../record.ts";
import type { Version } from "../version.ts";
import { admit, dropRefused, type Standing } from "./admission.ts";
import type { Cluster } from "./small-cluster.contract.ts";
import { KEYS, type Replica } from "./small-replica.contract.ts";
import type { ExchangeBegin, ExchangeOffer } from "./terms.ts";

export class Exchanges {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  begin(asker: Replica, peer: string): void {
    this.#cluster.purge(asker);
    const begun = asker.completeness.begin();
    const { starts } = asker;
    const offer = asker.completeness.offer(this.#cluster.ownTime(asker));
    const { root, standing } = asker;
    this.#cluster.send(asker, peer, (answerer) => {
      const answererBegun = answerer.completeness.begin();
      this.#settleFloor(answerer, standing.floor);
      const claim = this.#claim(answerer, asker.id, { offer, standing }, answererBegun);
      const answerOffer = answerer.completeness.offer(this.#cluster.ownTime(answerer));
      const answerStanding = answerer.standing;
      const equal = answerer.root === root;
      if (equal) claim();
      const answererStarts = answerer.starts;
      this.#cluster.send(answerer, asker.id, () => {
        if (asker.starts !== starts) return;
        this.#settleFloor(asker, answerStanding.floor);
        const said = { offer: answerOffer, standing: answerStanding };
        const conclude = this.#claim(asker, peer, said, begun);
        if (equal) conclude();
        else
          this.#transfer({ asker, starts, conclude }, { answerer, starts: answererStarts, conclude: claim });
      });
    });
  }

  #transfer(
    ask: { readonly asker: Replica; readonly starts: number; conclude(): void },
    answer: { readonly answerer: Replica; readonly starts: number; conclude(): void },
  ): void {
    const { asker } = ask;
    const { answerer } = answer;
    const digests = KEYS.map((key) => [key, asker.digest(key)] as const);
    this.#cluster.send(asker, answerer.id, () => {
      if (answerer.starts !== answer.starts) return;
      const keys = digests.flatMap(([key, digest]) => (answerer.digest(key) === digest ? [] : key));
      const [theirs, theirStanding] = [recordsOf(answerer, keys), answerer.standing];
      this.#cluster.send(answerer, asker.id, () => {
        if (asker.starts !== ask.starts) return;
        const [ours, ourStanding] = [recordsOf(asker, keys), asker.standing];
        const refused = this.#merge(asker, theirs, theirStanding);
        if (refused === undefined) return;
        this.#cluster.send(asker, answerer.id, () => {
          if (answerer.starts !== answer.starts) return;
          this.#drop(answerer, refused);
          const refusedHere = this.#merge(answerer, ours, ourStanding);
          if (refusedHere === undefined) return;
          answer.conclude();
          const [places, standing] = [recordsOf(answerer, [...refusedHere.keys()]), answerer.standing];
          this.#cluster.send(answerer, asker.id, () => {
            if (asker.starts !== ask.starts) return;
            this.#drop(asker, refusedHere);
            if (this.#merge(asker, places, standing) !== undefined) ask.conclude();
          });
        });
      });
    });
  }

  #claim(
    at: Replica,
    peer: string,
    said: { readonly offer: ExchangeOffer; readonly standing: Standing },
    begun: ExchangeBegin,
  ): () => void {
    const { completeness } = at;
    const claim = () => {
      if (at.retired.has(peer)) return;
      if (completeness.exchanged(peer, said.offer, said.standing, begun) !== "nothing")
        this.#cluster.counts.exchanges += 1;
    };
    return () => {
      if (this.#cluster.has("claims follow commits")) at.queue.push({ own: undefined, run: claim });
      else claim();
    };
  }

  /** What is refused; undefined when the two cannot judge, and the exchange ends. */
  #merge(
    at: Replica,
    records: readonly (readonly [string, KeyRecord])[],
    sender: Standing,
  ): Map<string, Version[]> | undefined {
    const refused = new Map<string, Version[]>();
    const own = this.#cluster.has("ghost rule") ? at.standing : { floor: 0, complete: false };
    for (const [key, offered] of records) {
      at.clock.observe(latestTime(offered), this.#cluster.nowMs);
      const admission = admit(at.latest.get(key), offered, own, sender);
      if (admission === undefined) return undefined;
      const { record, quarantined, alarming, disturbing } = admission;
      if (disturbing) at.completeness.disturbed();
      if (record !== at.latest.get(key)) at.set(key, record);
      this.#cluster.counts.alarms += alarming.length;
      this.#cluster.counts.quarantined += quarantined.length;
      if (quarantined.length > 0)
        refused.set(
          key,
          quarantined.map(({ version }) => version),
        );
    }
    return refused;
  }

  #drop(at: Replica, refused: ReadonlyMap<string, Version[]>): void {
    for (const [key, versions] of refused) {
      const held = at.latest.get(key);
      if (held !== undefined) at.set(key, dropRefused(held, versions, at.completeness.floor));
    }
  }

  #settleFloor(at: Replica, floor: HlcTime): void {
    at.completeness.adoptFloor(floor);
    this.#cluster.purge(at);
  }
}

/** Records to be sent, but for those about to be purged here: they are no news to anyone. */
function recordsOf(at: Replica, keys: readonly string[]): [string, KeyRecord][] {
  return keys.flatMap((key) => {
    const record = at.durable.get(key);
    if (record === undefined) return [];
    const from = purgeableFrom(record);
    return from !== undefined && from <= at.completeness.floor ? [] : [[key, record]];
  });
}
