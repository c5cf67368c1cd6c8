import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What takes longest, longest first: none of them is the last one, that goes on alone while a processor idles. One that mostly
 * waits stands beside one that computes.
 */
const LONG = [
  "test/chaos.test.ts",
  "test/simulator/seeds.test.ts",
  "test/processes/cluster.test.ts",
  "test/cli-data.test.ts",
  "packages/server/src/machine/salvage.test.ts",
  "test/dev.test.ts",
  "packages/store/src/flips.test.ts",
  "test/cli-cluster.test.ts",
  "test/kill.test.ts",
  "test/cli.test.ts",
  "test/agent.test.ts",
];

/** Puts the long files before all others, which are as vitest has them: a project at a time, so that its files share processes. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONG.findIndex((path) => moduleId.endsWith(`/${path}`));
      return place === -1 ? LONG.length : place;
    };
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}
