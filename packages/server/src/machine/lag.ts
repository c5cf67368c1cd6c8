const SAMPLE_MS = 100;

/** Measures how late timers fire, all the time. @returns what ends it */
export function watchLag(observe: (lagMs: number) => void): () => void {
  let dueMs = performance.now() + SAMPLE_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    observe(Math.max(0, nowMs - dueMs));
    dueMs = nowMs + SAMPLE_MS;
  }, SAMPLE_MS);
  timer.unref();
  return () => clearInterval(timer);
}
