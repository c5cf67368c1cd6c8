/**
 * The results of a task for each item, in order, with up to `width` tasks begun and not yet taken: so what they wait for is
 * waited for together. A task that fails ends it when its turn comes; those begun after it run to their end unheard.
 */
export async function* ahead<Item, Result>(
  items: Iterable<Item>,
  width: number,
  task: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const begun: Promise<Result>[] = [];
  for (const item of items) {
    const running = task(item);
    // Thrown where it is taken; until then it must not pass for unhandled.
    running.catch(() => undefined);
    begun.push(running);
    if (begun.length < width) continue;
    const first = begun.shift();
    if (first !== undefined) yield await first;
  }
  for (const running of begun) yield await running;
}
