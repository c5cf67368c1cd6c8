import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

const packages = readdirSync(new URL("../packages", import.meta.url));
/** Of the tests across packages, those that start no processes. */
const IN_ONE_PROCESS = ["test/cluster", "test/simulator"];

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    reporters: ["default", "./test/count-reporter.ts"],
    testTimeout: 60_000,
    projects: [
      ...[...packages.map((name) => `packages/${name}/src`), ...IN_ONE_PROCESS].map((directory) => ({
        extends: true as const,
        test: {
          name: directory.replace(/^packages\/|\/src$/g, ""),
          include: [`${directory}/**/*.test.ts`],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
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
          // These start processes of their own, which take what the other processor has.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
