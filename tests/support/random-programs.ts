/** Servers that answer with random numbers of every kind their runtime has, as one JSON object of texts. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { execOk } from "../../src/common/exec.ts";

const JVMS = "/usr/lib/jvm";

/** A java with modules and a compiler beside it, or undefined. */
export function javaProgram(): string | undefined {
  try {
    const homes = readdirSync(JVMS).filter((name) => /^java-(1[1-9]|2\d)-openjdk/.test(name));
    return homes.map((name) => join(JVMS, name, "bin/java"))[0];
  } catch {
    return undefined; // There is none.
  }
}

/** Copies the host's Python and Node, if there, with what they load, into a root where /lib is /usr/lib. */
export async function copyRuntimes(root: string): Promise<void> {
  const found = ["/usr/bin/python3", "/usr/bin/node"].filter(existsSync);
  if (found.length === 0) return;
  const library = existsSync("/usr/bin/python3") ? realpathSync("/usr/bin/python3").replace("/bin/", "/lib/") : "";
  const modules = existsSync(join(library, "lib-dynload")) ? readdirSync(join(library, "lib-dynload")) : [];
  if (modules.length > 0) await execOk(["cp", "-a", library, join(root, "usr/lib")]);
  for (const program of found) await execOk(["cp", "-L", program, join(root, program)]);
  const loading = [...found, ...modules.map((name) => join(library, "lib-dynload", name))];
  const listed = (await execOk(["ldd", ...loading])).matchAll(/(\/\S+) \(0x/g);
  for (const file of new Set([...listed].map((match) => match[1] ?? ""))) {
    await execOk(["mkdir", "-p", join(root, dirname(file))]);
    await execOk(["cp", "-L", file, join(root, file)]);
  }
}

export const PYTHON = `
import http.server, json, random, socketserver, ssl, tempfile, uuid
from random import randint
own, given = random.Random(), random.Random(5)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        numbers = dict(random=random.random(), randint=randint(0, 1 << 60), gauss=random.gauss(0, 1), own=own.random(),
            shuffled=random.sample(range(1000), 9), given=given.random(), uuid=uuid.uuid4().hex,
            openssl=ssl.RAND_bytes(8).hex(), temporary=next(tempfile._get_candidate_names()),
            generation=open("/dev/thaw/generation").read())
        body = json.dumps({name: str(value) for name, value in numbers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *ignored):
        pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    pass
Server(("", 8000), Handler).serve_forever()
`;

export const NODE = `
const crypto = require("node:crypto");
const key = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const server = require("node:http").createServer((request, response) => {
  const numbers = {
    random: Math.random(), bytes: crypto.randomBytes(8).toString("hex"), uuid: crypto.randomUUID(),
    int: crypto.randomInt(2 ** 40), web: globalThis.crypto.getRandomValues(new Uint32Array(2)).join(),
    webUuid: globalThis.crypto.randomUUID(), signature: crypto.sign("sha256", "text", key).toString("hex"),
    pair: crypto.generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" }).toString("hex"),
    given: crypto.createHash("sha256").update("5").digest("hex"),
    generation: require("node:fs").readFileSync("/dev/thaw/generation", "utf8"),
  };
  response.end(JSON.stringify(Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)]))));
});
server.listen(8000);
`;

export const JAVA = `
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.file.*;
import java.security.SecureRandom;
import java.util.*;
import java.util.concurrent.*;
public class Server {
  static final Random own = new Random(), given = new Random(5);
  static final SecureRandom secure = new SecureRandom();
  static String numbers() throws Exception {
    Map<String, Object> numbers = new LinkedHashMap<>();
    List<Integer> list = new ArrayList<>();
    for (int i = 0; i < 100; i++) list.add(i);
    Collections.shuffle(list);
    numbers.put("math", Math.random());
    numbers.put("threadLocal", ThreadLocalRandom.current().nextLong());
    numbers.put("own", own.nextLong());
    numbers.put("gaussian", own.nextGaussian());
    numbers.put("given", given.nextLong());
    numbers.put("splittable", new SplittableRandom().nextLong());
    numbers.put("shuffled", list);
    numbers.put("uuid", UUID.randomUUID());
    numbers.put("secure", secure.nextLong());
    numbers.put("generation", Files.readString(Path.of("/dev/thaw/generation")).trim());
    StringJoiner text = new StringJoiner(",", "{", "}");
    numbers.forEach((name, value) -> text.add('"' + name + "\\":\\"" + value + '"'));
    return text.toString();
  }
  public static void main(String[] arguments) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress(8000), 0);
    server.setExecutor(Executors.newFixedThreadPool(2));
    server.createContext("/", exchange -> {
      try {
        byte[] body = numbers().getBytes();
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
      } catch (Exception failure) { failure.printStackTrace(); }
    });
    server.start();
  }
}
`;
