/** `npm run bench [-- NAME...]`: every benchmark, or those named. */
import { agent } from "./agent.ts";
import { bulk } from "./bulk.ts";
import { http } from "./http.ts";
import { idle, idleOf128, watermark } from "./idle.ts";
import { quorum } from "./quorum.ts";
import { repair } from "./repair.ts";
import { spread } from "./spread.ts";
import { watch } from "./watch.ts";

const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = {
  http,
  bulk,
  spread,
  quorum,
  idle,
  watermark,
  "idle-128": idleOf128,
  repair,
  watch,
  agent,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  process.stderr.write(
    `no benchmark ${unknown.join(", ")}; there are ${Object.keys(BENCHMARKS).join(", ")}\n`,
  );
  process.exit(2);
}
for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stdout.write(`\n${name}\n`);
  await benchmark();
}
