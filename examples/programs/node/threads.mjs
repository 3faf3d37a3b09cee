/** The table server with the table in two worker threads, each of which has one half; the main thread only asks them. */
import { Worker } from "node:worker_threads";
import { ENTRIES, serve } from "./table.mjs";

const HALF = ENTRIES / 2;
const workers = [0, HALF].map((from) => new Worker(new URL("./worker.mjs", import.meta.url), { workerData: { from, to: from + HALF } }));
const waiting = new Map();
let next = 0;

for (const worker of workers) worker.on("message", ({ id, result }) => waiting.get(id)(result));
// Before the first request: a half that is still being made would answer late, not wrong.
await Promise.all(workers.map((worker) => ask(worker, { kind: "ready" })));

function ask(worker, question) {
  const id = next++;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, ...question });
  }).finally(() => waiting.delete(id));
}

serve("node-threads", {
  lookUp: async (n) => ({ n, value: await ask(workers[n < HALF ? 0 : 1], { kind: "value", n }) }),
  check: async () => {
    const sums = await Promise.all(workers.map((worker) => ask(worker, { kind: "sum" })));
    return { checksum: (sums[0] + sums[1]) % 2 ** 32 };
  },
});
