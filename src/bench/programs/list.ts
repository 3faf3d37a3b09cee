/**
 * The real programs of examples/programs: what is sent to each, and what is wrong with its answer, if anything. An
 * answer is the same after every restore, to the letter: a count of requests begins anew each time.
 */
import { z } from "zod";
import { type Answer, bodyOf, exchange } from "../ask.ts";
import { entry, matrixProduct, redisKeys, redisValue, tableChecksum, tableText } from "./answers.ts";

/** Something that a program is asked on a connection of its own, which it closes after the answer. */
export interface Question {
  /** All that is sent. */
  readonly send: string;
  /** What is wrong with the answer (of HTTP: its body), in words; undefined when it is right. */
  readonly wrong: (answer: string) => string | undefined;
}

export interface Program {
  /** What it is called, and the name of its service. */
  readonly name: string;
  /** Of its compose.yaml, relative to the project. */
  readonly directory: string;
  /** Cheap: what a wake-up is timed with. */
  readonly light: Question;
  /** Looks at all of its data. */
  readonly thorough: Question;
}

const ASKED = 4711;

/** An HTTP request as it is sent. */
export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
}

/** Compares with the fields that are known beforehand; `requests` is any number above 0. */
function fields(wanted: Record<string, unknown>): Question["wrong"] {
  return (answer) => {
    const parsed = z.record(z.string(), z.unknown()).safeParse(jsonOr(answer));
    if (!parsed.success) return `expected JSON, got ${answer.slice(0, 200)}`;
    const { requests, ...rest } = parsed.data;
    if (typeof requests !== "number" || requests < 1)
      return `expected a count of requests, got ${answer.slice(0, 200)}`;
    return Bun.deepEquals(rest, wanted) ? undefined : `expected ${JSON.stringify(wanted)}, got ${answer.slice(0, 200)}`;
  };
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A server of the table, as examples/programs/README.md describes it. */
function table(name: string, directory: string, more: Record<string, unknown> = {}): Program {
  return {
    name,
    directory: `examples/programs/${directory}`,
    light: { send: get(`/value?n=${ASKED}`), wrong: fields({ program: name, n: ASKED, value: entry(ASKED) }) },
    thorough: { send: get("/check"), wrong: fields({ program: name, checksum: tableChecksum(), ...more }) },
  };
}

function nginx(name: string): Program {
  const text = tableText();
  const wrong = (answer: string) => (answer === text ? undefined : `the file differs (${answer.length} characters)`);
  const light = { send: get("/value"), wrong: fields({ program: "nginx", n: ASKED, value: entry(ASKED) }) };
  return { name, directory: "examples/programs/nginx", light, thorough: { send: get("/check"), wrong } };
}

const flask: Program = {
  name: "flask",
  directory: "examples/flask",
  light: { send: get(`/?key=${ASKED}`), wrong: exactly({ value: ASKED }) },
  thorough: { send: get("/?key=999999"), wrong: exactly({ value: 999_999 }) },
};

function exactly(wanted: unknown): Question["wrong"] {
  return (answer) => (Bun.deepEquals(jsonOr(answer), wanted) ? undefined : `got ${answer.slice(0, 200)}`);
}

/** In Redis's protocol a string is "$LENGTH", a new line, and itself; a number ":NUMBER". */
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const OK = "+OK\r\n";

const redis: Program = {
  name: "redis",
  directory: "examples/programs/redis",
  light: redisQuestion([`GET key:${ASKED}`, "INCR requests"], () => `${bulk(redisValue(ASKED))}:1\r\n`),
  thorough: redisQuestion(
    [
      "INCR requests",
      "DBSIZE",
      `MGET ${redisKeys()
        .map((n) => `key:${n}`)
        .join(" ")}`,
    ],
    () =>
      `:2\r\n:100001\r\n*${redisKeys().length}\r\n${redisKeys()
        .map((n) => bulk(redisValue(n)))
        .join("")}`,
  ),
};

function redisQuestion(commands: readonly string[], answer: () => string): Question {
  const send = [...commands, "QUIT", ""].join("\r\n");
  const wrong = (got: string) => (got === answer() + OK ? undefined : `got ${got.slice(0, 200)}`);
  return { send, wrong };
}

/** All of them, the quickest to build first. */
export const PROGRAMS: readonly Program[] = [
  table("python-http", "python-http"),
  flask,
  table("numpy", "numpy", { product: matrixProduct() }),
  table("node-http", "node"),
  table("node-threads", "node"),
  table("java-serial", "java"),
  table("java-g1", "java"),
  table("spring-boot", "spring-boot"),
  nginx("nginx"),
  nginx("nginx-workers"),
  redis,
  table("go", "go"),
  table("ruby", "ruby"),
];

/** The program's answer to a question, of HTTP only the body. @throws ThawError NOT_READY when there is none. */
export async function askProgram(host: string, port: number, question: Question): Promise<Answer> {
  const answer = await exchange(host, port, question.send);
  return question.send.startsWith("GET /") ? { ...answer, text: bodyOf(answer.text) } : answer;
}
