// Renews the random state of Node in a process that thaw restored (docs/identity.md). NODE_OPTIONS loads it before the
// program, in worker threads too. Before every random number it compares the generation of the sandbox, a mapped file
// that shows another content after a restore; when it has changed, OpenSSL mixes fresh entropy into its generators.
"use strict";

const UNITS = 8; // the generation is 32 characters: eight numbers of 32 bits
const BATCH = 512;
const UUIDS_AHEAD = 128; // what crypto.randomUUID makes at once and keeps
const INTS_AHEAD = 1024; // and crypto.randomInt
const TOUCHED = Symbol.for("thaw.generation");

function load() {
  const addon = { exports: {} };
  process.dlopen(addon, `${__dirname}/generation.node`);
  return addon.exports;
}

/** Counts the generations that this thread has seen: 0 until it is restored. */
function watch(page, stir) {
  const now = new Uint32Array(page, 0, UNITS);
  let seen = Uint32Array.from(now);
  let count = 0;
  return function generation() {
    for (let i = 0; i < UNITS; i++) {
      if (now[i] === seen[i]) continue;
      seen = Uint32Array.from(now);
      count++;
      if (!stir()) process.emitWarning("thaw: this Node lets nobody reseed its OpenSSL after a restore");
      break;
    }
    return count;
  };
}

/** Keeps what tells a function from another. */
function like(wrapper, original) {
  for (const key of Reflect.ownKeys(original)) {
    if (key === "prototype" || key === "arguments" || key === "caller") continue;
    Object.defineProperty(wrapper, key, Object.getOwnPropertyDescriptor(original, key));
  }
  return wrapper;
}

function replace(owner, name, make) {
  const descriptor = owner && Object.getOwnPropertyDescriptor(owner, name);
  if (typeof descriptor?.value !== "function" || !descriptor.configurable) return;
  Object.defineProperty(owner, name, { ...descriptor, value: like(make(descriptor.value), descriptor.value) });
}

/** V8 keeps numbers ahead and lets nobody reseed them: after a restore others take their place. */
function replaceMathRandom(generation, randomFillSync) {
  const units = new Uint32Array(2 * BATCH);
  let at = BATCH;
  let filled = 0;
  replace(Math, "random", (native) => {
    return {
      random() {
        const current = generation();
        if (current === 0) return native();
        if (at === BATCH || filled !== current) {
          randomFillSync(units);
          [at, filled] = [0, current];
        }
        const high = units[2 * at] >>> 6;
        const low = units[2 * at++ + 1] >>> 5;
        return (high * 134217728 + low) / 9007199254740992;
      },
    }.random;
  });
}

/** Calls a function that keeps numbers ahead until those of an earlier generation are used up. */
function drained(generation, ahead) {
  return (native) => {
    let used = 0;
    return function (...args) {
      const current = generation();
      if (used !== current) {
        used = current;
        ahead(native);
      }
      return Reflect.apply(native, this, args);
    };
  };
}

function checked(generation) {
  return (native) =>
    function (...args) {
      generation();
      return Reflect.apply(native, this, args);
    };
}

function replaceCrypto(generation) {
  const crypto = require("node:crypto");
  const check = checked(generation);
  const times = (count, call) => (native) => {
    for (let i = 0; i < count; i++) call(native);
  };
  const uuids = times(UUIDS_AHEAD, (native) => native());
  replace(crypto, "randomUUID", drained(generation, uuids));
  replace(
    crypto,
    "randomInt",
    drained(
      generation,
      times(INTS_AHEAD, (native) => native(2)),
    ),
  );
  const names = "randomBytes randomFill randomFillSync pseudoRandomBytes prng rng getRandomValues sign publicEncrypt";
  const made = "generateKey generateKeySync generateKeyPair generateKeyPairSync generatePrime generatePrimeSync";
  for (const name of `${names} ${made} encapsulate`.split(" ")) replace(crypto, name, check);
  replace(crypto.Sign?.prototype, "sign", check);
  replace(crypto.ECDH?.prototype, "generateKeys", check);
  replace(crypto.DiffieHellman?.prototype, "generateKeys", check);
  replace(crypto.DiffieHellmanGroup?.prototype, "generateKeys", check);
  const web = crypto.webcrypto && Object.getPrototypeOf(crypto.webcrypto);
  replace(web, "getRandomValues", check);
  replace(web, "randomUUID", (native) =>
    drained(
      generation,
      times(UUIDS_AHEAD, () => native.call(crypto.webcrypto)),
    )(native),
  );
  const subtle = crypto.webcrypto && Object.getPrototypeOf(crypto.webcrypto.subtle);
  for (const name of ["generateKey", "encrypt", "sign", "wrapKey"]) replace(subtle, name, check);
}

/** TLS takes its numbers inside OpenSSL: what comes before the first of a connection is the making of its socket. */
function replaceTls(generation) {
  const check = checked(generation);
  const tls = require("node:tls");
  replace(tls.TLSSocket.prototype, "_init", check);
  replace(tls, "createSecureContext", check);
}

function start() {
  if (globalThis[TOUCHED]) return;
  Object.defineProperty(globalThis, TOUCHED, { value: true });
  const { page, stir } = load();
  if (page === undefined) return;
  const { randomFillSync } = require("node:crypto");
  const generation = watch(page, stir);
  replaceMathRandom(generation, randomFillSync);
  replaceCrypto(generation);
  replaceTls(generation);
  require("node:module").syncBuiltinESMExports();
}

try {
  start();
} catch (error) {
  process.emitWarning(`thaw: random numbers are not reseeded after a restore: ${error.message}`);
}
