/** Tables that are asked by names which people write. */

/** The entry of that name; undefined when there is none, also for names that every object has, such as "constructor". */
export function entryOf<V>(table: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
