/** Passing a question on to the machine's own name servers, as it came, and their answer back. */
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { Message } from "./framing.ts";

const PORT = 53;
const PATIENCE_MS = 3000;

/** Asks one server after the other. Resolves with the first answer; undefined when none came. */
export async function forward(
  question: Uint8Array,
  servers: readonly string[],
  via: "udp" | "tcp",
): Promise<Uint8Array | undefined> {
  for (const server of servers) {
    const answer = await (via === "udp" ? overUdp(question, server) : overTcp(question, server));
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function overUdp(question: Uint8Array, server: string): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const socket = createSocket(isIPv6(server) ? "udp6" : "udp4");
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  socket.on("error", () => resolve(undefined));
  // Connected: the kernel passes on nobody's answer but this server's.
  socket.connect(PORT, server, () => socket.send(question));
  socket.on("message", (answer) => {
    if (answer.length > 2 && answer[0] === question[0] && answer[1] === question[1]) resolve(answer);
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function overTcp(question: Uint8Array, server: string): Promise<Uint8Array | undefined> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const socket = connect({ host: server, port: PORT, timeout: PATIENCE_MS });
  const answers = new Message((answer) => resolve(answer));
  socket.on("connect", () => socket.write(Message.framed(question)));
  socket.on("data", (chunk: Uint8Array) => answers.push(chunk));
  for (const end of ["error", "close", "timeout"]) socket.on(end, () => resolve(undefined));
  return promise.finally(() => socket.destroy());
}
