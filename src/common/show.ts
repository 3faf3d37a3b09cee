/** Somebody's input as it may be repeated in a message: bounded, and with control characters escaped. */

const SHOWN_CHARACTERS = 60;

/** A value as JSON, cut when it is long. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  return shorten(JSON.stringify(value) ?? String(value));
}

/** A text of no more than `most` characters, and dots when there were more. */
export function shorten(text: string, most = SHOWN_CHARACTERS): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}
