/** So many of something, as it is read: `1 key`, `2 keys`. @param thing a noun whose plural takes an s */
export function quantity(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
