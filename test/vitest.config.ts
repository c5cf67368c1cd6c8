import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./longest-first.ts";

const packages = readdirSync(new URL("../packages", import.meta.url));
/** Of the tests across packages, those that start no processes. */
const IN_ONE_PROCESS = ["test/cluster", "test/simulator"];
/** Its tests replace modules and methods of classes; in all others a file leaves nothing behind that another one could find. */
const ISOLATED = "packages/server/src";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    reporters: ["default", "./test/count-reporter.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many wait for what goes on elsewhere; meanwhile others go on.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      ...[...packages.map((name) => `packages/${name}/src`), ...IN_ONE_PROCESS].map((directory) => ({
        extends: true as const,
        test: {
          name: directory.replace(/^packages\/|\/src$/g, ""),
          include: [`${directory}/**/*.test.ts`],
          // To load the modules anew for each file takes longer than most of the tests in it.
          isolate: directory === ISOLATED,
        },
      })),
      {
        extends: true as const,
        test: {
          name: "test",
          include: ["test/**/*.test.ts"],
          exclude: [
            "**/node_modules/**",
            "test/dist/**",
            ...IN_ONE_PROCESS.map((directory) => `${directory}/**`),
          ],
        },
      },
    ],
  },
});
