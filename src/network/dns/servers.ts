/**
 * The daemon's name servers: one at the gateway of each network that has names, over UDP and TCP. It answers for
 * containers and passes everything else on to the machine's own servers; on an internal network, from which there is
 * no way out, it does not. While the daemon is away names are not answered; addresses go on working.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { errnoOf } from "../../common/errors.ts";
import { hostNameServers } from "../resolver.ts";
import type { Network } from "../types.ts";
import { answersTo, endpointAt, type NameTable } from "./answer.ts";
import { forward } from "./forward.ts";
import { Message } from "./framing.ts";

const PORT = 53;
/** What every client takes without saying more. */
const UDP_BYTES = 512;
const AUTHORITATIVE = 0x0400;
const RECURSION_AVAILABLE = 0x0080;
const RECURSION_DESIRED = 0x0100;
const TRUNCATED = 0x0200;
const SERVER_FAILURE = 2;
const REFUSED = 5;
const IDLE_MS = 10_000;
/** Questions that are passed on at a time; more are refused. */
const MOST_FORWARDED = 256;

interface Listening {
  readonly udp: UdpSocket;
  readonly tcp: Server;
}

/** Name servers by network. */
export class NameServers {
  readonly #table: NameTable;
  readonly #log: (line: string) => void;
  readonly #listening = new Map<string, Promise<Listening | undefined>>();
  #forwarded = 0;

  constructor(table: NameTable, log: (line: string) => void) {
    this.#table = table;
    this.#log = log;
  }

  /** Answers at a network's gateway. When that cannot be, names do not resolve there, and the log says so. */
  async serve(network: Network): Promise<void> {
    const known = this.#listening.get(network.id);
    if (known) {
      await known;
      return;
    }
    const opening = this.#open(network).catch((error: unknown) => {
      const reason = errnoOf(error) ?? String(error);
      this.#log(`names of the network ${network.name} are not answered: ${network.subnet.gateway}:53: ${reason}`);
      return undefined;
    });
    this.#listening.set(network.id, opening);
    await opening;
  }

  /** Missing is fine. */
  async stop({ id }: Pick<Network, "id">): Promise<void> {
    const listening = await this.#listening.get(id);
    this.#listening.delete(id);
    listening?.udp.close();
    listening?.tcp.close();
  }

  async close(): Promise<void> {
    for (const id of [...this.#listening.keys()]) await this.stop({ id });
  }

  async #open(network: Network): Promise<Listening> {
    const host = network.subnet.gateway;
    const udp = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      udp.once("error", reject);
      udp.bind(PORT, host, resolve);
    });
    udp.on("error", () => {});
    udp.on("message", (question, { address, port }) => {
      void this.#answer(question, address, "udp").then((answer) => answer && udp.send(answer, port, address));
    });
    const tcp = this.#tcpServer();
    try {
      await new Promise<void>((resolve, reject) => {
        tcp.once("error", reject);
        tcp.listen(PORT, host, resolve);
      });
    } catch (error) {
      udp.close();
      throw error;
    }
    return { udp, tcp };
  }

  #tcpServer(): Server {
    return createServer((socket) => {
      const { remoteAddress = "" } = socket;
      socket.setTimeout(IDLE_MS, () => socket.destroy());
      socket.on("error", () => socket.destroy());
      const questions = new Message((question) => {
        void this.#answer(question, remoteAddress, "tcp").then(
          (answer) => answer && socket.writable && socket.write(Message.framed(answer)),
        );
      });
      socket.on("data", (chunk: Uint8Array) => questions.push(chunk));
    });
  }

  /** Undefined for what is no question at all. */
  async #answer(bytes: Uint8Array, address: string, via: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    const query = decoded(bytes);
    const [question] = query?.questions ?? [];
    if (query?.type !== "query" || !question) return undefined;
    const asker = endpointAt(this.#table, address);
    if (!asker) return reply(query, REFUSED);
    const answers = answersTo(this.#table, asker, question);
    if (answers !== undefined) return bounded({ ...answerOf(query, AUTHORITATIVE), answers }, via);
    const all = this.#table.endpoints(asker.owner);
    const mayLeave = all.some(({ networkId }) => this.#table.network(networkId)?.internal === false);
    const [own] = all.flatMap(({ servers = [] }) => (servers.length > 0 ? [servers] : []));
    const answer = mayLeave ? await this.#forward(bytes, own ?? hostNameServers(), via) : undefined;
    return answer ?? reply(query, SERVER_FAILURE);
  }

  async #forward(bytes: Uint8Array, servers: readonly string[], via: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    if (this.#forwarded >= MOST_FORWARDED) return undefined;
    this.#forwarded++;
    try {
      return await forward(bytes, servers, via);
    } finally {
      this.#forwarded--;
    }
  }
}

function decoded(bytes: Uint8Array): Packet | undefined {
  try {
    return decode(Buffer.from(bytes));
  } catch {
    return undefined; // Anybody in the network may send anything.
  }
}

function answerOf({ id, flags = 0, questions }: Packet, more: number): Packet {
  const known = { type: "response", questions: questions ?? [] } as const;
  return {
    ...known,
    ...(id === undefined ? {} : { id }),
    flags: (flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | more,
  };
}

function reply(query: Packet, code: number): Uint8Array {
  return encode(answerOf(query, code));
}

/** An answer that is too long for UDP says so and is asked for again over TCP. */
function bounded(answer: Packet, via: "udp" | "tcp"): Uint8Array {
  const bytes = encode(answer);
  if (via === "tcp" || bytes.length <= UDP_BYTES) return bytes;
  return encode({ ...answer, answers: [], flags: (answer.flags ?? 0) | TRUNCATED });
}
