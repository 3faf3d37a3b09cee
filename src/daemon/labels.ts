/** Filters on labels. */

/** Whether there is a label as `filter` says: "name", or "name=value". */
export function hasLabel(labels: Readonly<Record<string, string>>, filter: string): boolean {
  const [name = "", ...value] = filter.split("=");
  return value.length === 0 ? Object.hasOwn(labels, name) : labels[name] === value.join("=");
}
