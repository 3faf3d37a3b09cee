/**
 * A root file system that every Debian can make in a moment: the host's perl with the libraries that it loads, and
 * a small HTTP server in Perl that keeps its state in memory, so that a restored process can be told from a new one.
 */
import { copyFile, mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execOk } from "../../src/common/exec.ts";

/** Port that the server listens on inside its container. */
export const SERVER_PORT = 8000;

/** What the server is started with. */
export const SERVER_ARGV = ["/usr/bin/perl", "/server.pl"];

/**
 * GET /count counts in memory, /write and /read keep the count in a file, /pid, /start (when the process began to
 * serve) and /slow tell about the process, /lock holds a lock on the file
 * THAW_TEST_LOCK from then on, /watch watches a file of the root by inotify, which CRIU cannot dump; POST and anything else is answered
 * with the path. Each request is
 * logged. THAW_TEST_DELAY seconds pass before it listens, THAW_TEST_EXIT ends it at once with that status.
 */
const SERVER = `
$| = 1; $SIG{PIPE} = 'IGNORE'; $SIG{CHLD} = 'IGNORE';
if (defined $ENV{THAW_TEST_EXIT}) { print "giving up\\n"; exit $ENV{THAW_TEST_EXIT}; }
print "starting\\n";
print STDERR "a line on stderr\\n";
select(undef, undef, undef, $ENV{THAW_TEST_DELAY} || 0);
my ($count, $start, @table) = (0, time . "." . int(rand(1e9)), map { $_ * 3 } 1 .. ($ENV{THAW_TEST_TABLE} || 1000));
socket(L, 2, 1, 6) or die; setsockopt(L, 1, 2, 1);
bind(L, pack("S n a4 x8", 2, ${SERVER_PORT}, "\\0" x 4)) or die "bind: $!"; listen(L, 1024) or die;
print "listening\\n";
while (1) {
  accept(C, L) or next;
  my $request = "";
  while (sysread(C, my $part, 4096)) { $request .= $part; last if $request =~ /\\r\\n\\r\\n/; }
  my ($path) = $request =~ m{^\\S+ (\\S+)};
  if (defined $path) {
    my ($status, $body) = ("200 OK", $path);
    if ($path eq "/count") { $body = ++$count }
    elsif ($path eq "/pid") { $body = $$ }
    elsif ($path eq "/start") { $body = $start }
    elsif ($path =~ m{^/table/(\\d+)}) { $body = $table[$1] }
    elsif ($path eq "/write") { open(F, ">", "/state"); print F $count; close F; $body = "written" }
    elsif ($path eq "/read") { if (open(F, "<", "/state")) { $body = <F>; close F } else { $body = "none" } }
    elsif ($path eq "/lock") { open(K, ">", $ENV{THAW_TEST_LOCK} || "/lock"); $body = flock(K, 2) ? "locked" : "not locked" }
    elsif ($path eq "/watch") { my $file = "/server.pl\\0"; $body = syscall(254, syscall(294, 0), $file, 2) > 0 ? "watched" : $! }
    elsif ($path eq "/slow") { select(undef, undef, undef, 0.3) }
    elsif ($path eq "/broken") { $status = "500 Broken" }
    $body = "" unless defined $body;
    print "$path\\n";
    syswrite(C, "HTTP/1.1 $status\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body");
  }
  close C;
}
`;

/** Fills `root` with perl and the server. */
export async function makePerlRoot(root: string): Promise<void> {
  const perl = await realpath("/usr/bin/perl");
  const files = [...(await execOk(["ldd", perl])).matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  for (const file of files) await copyInto(root, file);
  await copyInto(root, perl, "/usr/bin/perl");
  for (const directory of ["proc", "sys", "dev", "run", "etc", "tmp"])
    await mkdir(join(root, directory), { recursive: true });
  await writeFile(join(root, "server.pl"), SERVER);
}

async function copyInto(root: string, file: string, as = file): Promise<void> {
  await mkdir(dirname(join(root, as)), { recursive: true });
  await copyFile(file, join(root, as));
}
