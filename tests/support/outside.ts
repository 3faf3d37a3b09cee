/**
 * The outside world: a network namespace beside the machine, with a wire to it, as another machine on its network. It
 * needs iproute2 and Perl.
 */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";

/** Addresses for documentation: nobody's route leads there. */
const HOST = "198.51.100.1";
const WORLD = "198.51.100.2";
const HOST6 = "2001:db8:51::1";
const WORLD6 = "2001:db8:51::2";

export class Outside {
  /** The machine's address on the wire, and the one of the other end. */
  readonly host = HOST;
  readonly world = WORLD;
  readonly host6 = HOST6;
  readonly world6 = WORLD6;
  readonly #name = `thaw-test-${randomBytes(4).toString("hex")}`;
  readonly #wire = `tw${randomBytes(4).toString("hex")}`;
  readonly #processes: Bun.Subprocess[] = [];

  /** Why it cannot be made here, or undefined. */
  static missing(): string | undefined {
    if (process.getuid?.() !== 0) return "needs root";
    const programs = ["ip", "nft", "perl"].filter((name) => Bun.which(name) === null);
    return programs.length > 0 ? `needs ${programs.join(", ")}` : undefined;
  }

  constructor() {
    const inside = ["ip", "netns", "exec", this.#name];
    run("ip", "netns", "add", this.#name);
    run("ip", "link", "add", this.#wire, "type", "veth", "peer", "name", "eth0", "netns", this.#name);
    run("ip", "address", "add", `${HOST}/24`, "dev", this.#wire);
    run("ip", "address", "add", `${HOST6}/64`, "dev", this.#wire, "nodad");
    run("ip", "link", "set", this.#wire, "up");
    run(...inside, "ip", "link", "set", "lo", "up");
    run(...inside, "ip", "address", "add", `${WORLD}/24`, "dev", "eth0");
    run(...inside, "ip", "address", "add", `${WORLD6}/64`, "dev", "eth0", "nodad");
    run(...inside, "ip", "link", "set", "eth0", "up");
  }

  /** Runs a Perl script out there; resolves with what it printed. */
  async perl(script: string, ...argv: string[]): Promise<string> {
    const child = this.#start(script, argv);
    const text = await new Response(child.stdout).text();
    await child.exited;
    return text;
  }

  /** Starts a server out there; resolves when it has printed something, that is, listens. */
  async serve(script: string, ...argv: string[]): Promise<void> {
    const child = this.#start(script, argv);
    this.#processes.push(child);
    await child.stdout.getReader().read();
  }

  /** Adds a route, say to a subnet behind the machine. */
  route(subnet: string): void {
    const gateway = subnet.includes(":") ? HOST6 : HOST;
    run("ip", "netns", "exec", this.#name, "ip", "route", "add", subnet, "via", gateway);
  }

  close(): void {
    for (const child of this.#processes) child.kill(9);
    run("ip", "netns", "delete", this.#name);
    Bun.spawnSync(["ip", "link", "delete", this.#wire]);
  }

  #start(script: string, argv: readonly string[]) {
    const command = ["ip", "netns", "exec", this.#name, "perl", "-e", script, ...argv];
    return Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  }
}

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

/** Sends datagrams to a port of 127.0.0.1, all from one port of its own. */
export class UdpAsker {
  readonly #socket = createSocket("udp4");
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Resolves with an answer; with "" when none came within `limitMs`. */
  async ask(limitMs = 5000): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#socket.once("message", (answer) => resolve(answer.toString()));
    const again = setInterval(() => this.#socket.send("ping", this.#port, "127.0.0.1"), 50);
    const late = setTimeout(() => resolve(""), limitMs);
    try {
      return await promise;
    } finally {
      clearInterval(again);
      clearTimeout(late);
      this.#socket.removeAllListeners("message");
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Perl: answers each connection to port ARGV[0] with the address of who connected, and `listening` before. */
export const TCP_SERVER = `$| = 1; socket(L, 2, 1, 6); setsockopt(L, 1, 2, 1);
  bind(L, pack("S n a4 x8", 2, $ARGV[0], "\\0" x 4)) or die "bind: $!"; listen(L, 16); print "listening\\n";
  while (my $from = accept(C, L)) { syswrite(C, join(".", unpack("x4 C4", $from)) . "\\n"); close C }`;

/** Perl: the same for datagrams. */
export const UDP_SERVER = `$| = 1; socket(S, 2, 2, 17); bind(S, pack("S n a4 x8", 2, $ARGV[0], "\\0" x 4)) or die $!;
  print "listening\\n";
  while (my $from = recv(S, my $b, 100, 0)) { send(S, "$b " . join(".", unpack("x4 C4", $from)) . "\\n", 0, $from) }`;

/** Perl: connects to ARGV[0] port ARGV[1] within ARGV[2] seconds (10 when not given); prints what comes, or why not. */
export const TCP_CLIENT = `$| = 1; my ($host, $port, $limit) = @ARGV; $SIG{ALRM} = sub { print "timeout\\n"; exit };
  alarm($limit || 10); my $at = (gethostbyname($host))[4] or do { print "no such name\\n"; exit };
  socket(C, 2, 1, 6); connect(C, pack("S n a4 x8", 2, $port, $at)) or do { print "$!\\n"; exit }; print while <C>;`;

/** Perl: sends "ping" to ARGV[0] port ARGV[1] until something comes back, at most 5 times; prints it. */
export const UDP_CLIENT = `$| = 1; my ($host, $port) = @ARGV; socket(S, 2, 2, 17);
  connect(S, pack("S n C4 x8", 2, $port, split /\\./, $host)); my $in = ""; vec($in, fileno(S), 1) = 1;
  for (1 .. 5) { send(S, "ping", 0); next unless select(my $r = $in, undef, undef, 0.4);
    if (defined recv(S, my $b, 100, 0)) { print $b; exit } select(undef, undef, undef, 0.1) } print "nothing\\n";`;

/** The same as TCP_SERVER with IPv6; addresses are 32 hexadecimal digits. */
export const TCP6_SERVER = `$| = 1; socket(L, 10, 1, 6); setsockopt(L, 1, 2, 1);
  bind(L, pack("S n N a16 N", 10, $ARGV[0], 0, "\\0" x 16, 0)) or die "bind: $!"; listen(L, 16); print "listening\\n";
  while (my $from = accept(C, L)) { syswrite(C, unpack("x8 H32", $from) . "\\n"); close C }`;

/** The same as TCP_CLIENT with IPv6; the address is 32 hexadecimal digits. */
export const TCP6_CLIENT = `$| = 1; my ($host, $port, $limit) = @ARGV; $SIG{ALRM} = sub { print "timeout\\n"; exit };
  alarm($limit || 10); socket(C, 10, 1, 6);
  connect(C, pack("S n N H32 N", 10, $port, 0, $host, 0)) or do { print "$!\\n"; exit }; print while <C>;`;

/** Perl: a name server that answers every question with 192.0.2.53. */
export const NAME_SERVER = `$| = 1; socket(S, 2, 2, 17); bind(S, pack("S n a4 x8", 2, 53, "\\0" x 4)) or die $!;
  print "listening\\n";
  while (my $from = recv(S, my $b, 4096, 0)) {
    my ($end) = $b =~ /^.{12}((?:[^\\0].*?)?\\0.{4})/s;
    send(S, substr($b, 0, 2) . pack("n5", 0x8180, 1, 1, 0, 0) . $end . pack("n3 N n C4", 0xc00c, 1, 1, 0, 4, 192, 0, 2, 53), 0, $from) }`;
