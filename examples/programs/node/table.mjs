/** The table, and the frame of a server over it; what answers is given. */
import { createServer } from "node:http";

export const ENTRIES = 100_000;

export function makeTable() {
  return Uint32Array.from({ length: ENTRIES }, (_, i) => Math.imul(i, 2654435761) >>> 0);
}

export function checksumOf(table) {
  return table.reduce((sum, value, i) => (sum + value * ((i % 7) + 1)) % 2 ** 32, 0);
}

/** Serves; `lookUp(n)` and `check()` give what an answer has beside the program's name and the count, or a promise of it. */
export function serve(program, { lookUp, check }) {
  let requests = 0;
  const answer = async (url) => {
    requests += 1;
    const common = { program, requests };
    if (url.pathname === "/check") return [200, { ...common, ...(await check()) }];
    const n = url.searchParams.get("n") ?? "";
    if (url.pathname === "/value" && /^\d{1,5}$/.test(n)) return [200, { ...common, ...(await lookUp(Number(n))) }];
    return [404, { error: `expected /check or /value?n=N with N from 0 to ${ENTRIES - 1}` }];
  };
  const server = createServer(async (request, response) => {
    const [status, content] = await answer(new URL(request.url, "http://here"));
    const body = JSON.stringify(content);
    response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
  });
  server.listen(Number(process.env.PORT ?? 8000), "0.0.0.0");
}
