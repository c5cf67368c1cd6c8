const SAMPLE_MS = 100;
/** Where nothing is asked of the node: waking up ten times a second would be half of what it costs. */
const IDLE_SAMPLE_MS = 1000;

/**
 * Measures how late timers fire, all the time.
 * @param isIdle whether nothing was asked of the node since the last measurement; the next one may come later then
 * @returns what ends it
 */
export function watchLag(observe: (lagMs: number) => void, isIdle: () => boolean = () => false): () => void {
  let timer: NodeJS.Timeout;
  const sample = (afterMs: number): void => {
    const dueMs = performance.now() + afterMs;
    timer = setTimeout(() => {
      const lagMs = Math.max(0, performance.now() - dueMs);
      // A lag is not to be held against those who come when it is long over.
      const nextMs = isIdle() && lagMs < SAMPLE_MS ? IDLE_SAMPLE_MS : SAMPLE_MS;
      observe(lagMs);
      sample(nextMs);
    }, afterMs);
    timer.unref();
  };
  sample(SAMPLE_MS);
  return () => clearTimeout(timer);
}
