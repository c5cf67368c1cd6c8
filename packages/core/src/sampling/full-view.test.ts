import { describe, expect, test } from "vitest";
import type { Peer } from "../effects.ts";
import { SeededRandom } from "../random.ts";
import { FullView } from "./full-view.ts";
import { combinedWeight, type PeerWeight, preferHealthy, preferZone } from "./peer-sampler.ts";

const peers: readonly Peer[] = Array.from({ length: 10 }, (_, i) => ({
  id: `p${i}~0000000000`,
  address: `h:${i}`,
}));

function viewOf(weigh?: PeerWeight): FullView {
  const view = new FullView("p0~0000000000", new SeededRandom(1), weigh);
  view.peersChanged(peers);
  return view;
}

/** How often each peer is drawn first, over many draws of three. */
function firstDraws(view: FullView, draws: number): readonly number[] {
  const counts = peers.map(() => 0);
  for (let i = 0; i < draws; i++) {
    const sample = view.sample(3);
    expect(new Set(sample).size).toBe(3);
    const [drawn] = sample;
    if (drawn === undefined) continue;
    const first = peers.indexOf(drawn);
    counts[first] = (counts[first] ?? 0) + 1;
  }
  return counts;
}

describe("the full view", () => {
  test("draws distinct peers, each equally likely, and never the node itself", () => {
    const counts = firstDraws(viewOf(), 9000);
    expect(counts[0]).toBe(0);
    for (const count of counts.slice(1)) {
      expect(count).toBeGreaterThan(880);
      expect(count).toBeLessThan(1120);
    }
  });

  test("gives all there are when asked for more, and none when alone", () => {
    const view = viewOf();
    expect(view.sample(99)).toHaveLength(9);
    view.peersChanged(peers.slice(0, 1));
    expect(view.sample(3)).toEqual([]);
  });

  test("draws a suspicious peer less often, but does draw it", () => {
    const counts = firstDraws(viewOf(preferHealthy((peer) => (peer === peers[1] ? 9 : 0))), 9000);
    expect(counts[1]).toBeGreaterThan(50);
    expect(counts[1]).toBeLessThan(180);
  });

  test("draws in proportion also where nearly all are suspicious, so that few tries would succeed", () => {
    const counts = firstDraws(viewOf(preferHealthy((peer) => (peer === peers[1] ? 99 : 299))), 9000);
    // Weights: 1/100 against 8 of 1/300.
    expect((counts[1] ?? 0) / 9000).toBeGreaterThan(0.25);
    expect((counts[1] ?? 0) / 9000).toBeLessThan(0.295);
  });

  test("weighs few peers for a draw, however many there are", () => {
    let weighed = 0;
    const many = Array.from({ length: 1000 }, (_, i) => ({ id: `q${i}~0000000000`, address: `h:${i}` }));
    const weigh = preferHealthy(() => {
      weighed += 1;
      return 0;
    });
    const view = new FullView("q0~0000000000", new SeededRandom(1), weigh);
    view.peersChanged(many);
    expect(view.sample(3)).toHaveLength(3);
    expect(weighed).toBeLessThan(10);
  });

  test("draws peers of other zones in proportion to their weight, together with their health", () => {
    const zoneOf = (peer: Peer): string => (peers.indexOf(peer) < 5 ? "a" : "b");
    const weight = combinedWeight(
      preferZone({ own: "a", zoneOf, remoteWeight: 0.2 }),
      preferHealthy((peer) => (peer === peers[1] ? 1 : 0)),
    );
    const counts = firstDraws(viewOf(weight), 9000);
    const remote = counts.slice(5).reduce((sum, count) => sum + count, 0);
    // Weights: 0.5 + 3 * 1 here, 5 * 0.2 there.
    expect(remote / 9000).toBeGreaterThan(0.2);
    expect(remote / 9000).toBeLessThan(0.245);
    expect((counts[1] ?? 0) / (counts[2] ?? 1)).toBeGreaterThan(0.4);
    expect((counts[1] ?? 0) / (counts[2] ?? 1)).toBeLessThan(0.6);
  });
});
