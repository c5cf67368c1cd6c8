/**
 * The store gives all that is in a batch one promise, and nodes rely on that, so whoever watches it has to do the same: what is
 * looked at for each is looked at before anybody is told.
 */
export function tellingTogether(): (stored: Promise<void>) => Promise<void> {
  const tellings = new WeakMap<Promise<void>, Promise<void>>();
  return (stored) => {
    const telling = tellings.get(stored) ?? stored.then(() => undefined);
    tellings.set(stored, telling);
    return telling;
  };
}
