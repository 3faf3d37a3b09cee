/** Names of containers: what is allowed, and how one is made up when the user gives none. */
import { randomInt } from "node:crypto";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";

const GRAMMAR = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const TRIES = 20;

// biome-ignore format: a word list
const MOODS = [
  "brave", "bright", "brisk", "calm", "candid", "clever", "cosy", "crisp", "curious", "daring", "dapper", "eager",
  "early", "fair", "fearless", "festive", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden", "graceful",
  "hardy", "hasty", "honest", "hopeful", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow",
  "merry", "mild", "modest", "neat", "nimble", "patient", "placid", "polite", "proud", "quick", "quiet", "rapid",
  "ready", "serene", "sharp", "shy", "silent", "sincere", "sleepy", "snug", "solid", "spry", "steady", "stout",
  "sunny", "swift", "tender", "thrifty", "tidy", "upbeat", "valiant", "vivid", "warm", "wise", "witty", "zealous",
];

/** People who studied cold, heat and the ice of the world. */
// biome-ignore format: a word list
const NAMES = [
  "agassiz", "amundsen", "andree", "barents", "bellingshausen", "bentley", "bering", "black", "boltzmann", "boyle",
  "bunsen", "carnot", "celsius", "charcot", "charpentier", "clausius", "cook", "croll", "cullen", "curie", "dewar",
  "drygalski", "evans", "fahrenheit", "faraday", "filchner", "fourier", "franklin", "fuchs", "gibbs", "gorrie",
  "hadley", "heemskerck", "helmholtz", "henson", "herbert", "hooke", "hudson", "joule", "kamerlingh", "kelvin",
  "kepler", "koldewey", "lambert", "linde", "mawson", "maxwell", "milankovitch", "nakaya", "nansen", "nernst",
  "nordenskiold", "onnes", "palmer", "pictet", "planck", "rankine", "rasmussen", "ross", "rumford", "saussure",
  "scoresby", "scott", "shackleton", "stefan", "sverdrup", "thomson", "tyndall", "vanthoff", "wegener", "wilkes",
];

/** A name such as `sleepy_nansen` that is not taken; after many tries one with a number. */
export function inventName(taken: (name: string) => boolean): string {
  for (let tries = 0; tries < TRIES; tries++) {
    const name = `${pick(MOODS)}_${pick(NAMES)}`;
    if (!taken(name)) return name;
  }
  for (;;) {
    const name = `${pick(MOODS)}_${pick(NAMES)}${randomInt(1_000_000)}`;
    if (!taken(name)) return name;
  }
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? "plain";
}

/** @throws ThawError INVALID when `name` is not a container's name. */
export function checkName(name: string): void {
  if (GRAMMAR.test(name)) return;
  throw new ThawError("INVALID", `${show(name)} is not a container name`, {
    hint: "Use letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at most 128.",
  });
}
