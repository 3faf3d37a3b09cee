# Pid 1 of the self-test's own namespaces: starts a process that listens on a TCP socket, dumps it, restores
# it and asks it whether it still knows what it knew. The kernel ends and unmounts all of it when this exits.
# Only Perl's base package is needed. Arguments: library directory, loader, program directory, program,
# plug-in directory, images directory, kdat file, deadline in
# seconds, PATH for CRIU.
use strict;
use warnings;
use POSIX ();
use Socket;

my ($library_dir, $loader, $program_dir, $program, $plugins, $images_dir, $kdat, $seconds, $path) = @ARGV;
my ($port, $token) = (8000, "thaw-$$-" . rand);

sub failed { print STDERR "$_[0]\n"; exit 1 }

$SIG{ALRM} = sub { failed("nothing finished within $seconds s") };
alarm $seconds;

# Directories are entered through descriptors, because /run, which may hold one of them, is about to be covered.
$^F = 64;
sub directory { my $fd = POSIX::open($_[0], POSIX::O_RDONLY()); defined $fd or failed("$_[0]: $!"); "/proc/self/fd/$fd" }
my ($library, $directory, $images) = map { directory($_) } $library_dir, $program_dir, $images_dir;
open(my $cache, "<:raw", $kdat) or failed("$kdat: $!");

system("mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", "/run") == 0 or failed("cannot mount a tmpfs on /run");
{
    local $/;
    open(my $copy, ">:raw", "/run/criu.kdat") or failed("/run/criu.kdat: $!");
    print $copy scalar <$cache>;
    close($copy) or failed("/run/criu.kdat: $!");
}

sub tcp { socket(my $socket, PF_INET, SOCK_STREAM, 0) or failed("socket: $!"); $socket }

sub loopback_up {
    my $request = pack("a16 s x22", "lo", 0x41);    # IFF_UP | IFF_RUNNING
    ioctl(tcp(), 0x8914, $request) or failed("cannot bring lo up: $!");    # SIOCSIFFLAGS
}

sub serve {
    alarm 0;
    POSIX::setsid();
    for (["<", \*STDIN], [">", \*STDOUT], [">", \*STDERR]) { open($_->[1], $_->[0], "/dev/null") or exit 3 }
    POSIX::close($_) for 3 .. 255;
    my $listener = tcp();
    setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1) or exit 4;    # closed connections linger on the port
    bind($listener, sockaddr_in($port, INADDR_LOOPBACK)) && listen($listener, 16) or exit 4;
    my $count = 0;
    while (accept(my $client, $listener)) { syswrite($client, "$token " . ++$count . "\n"); close($client) }
    exit 5;
}

sub ask {
    for (1 .. 200) {
        my $socket = tcp();
        if (connect($socket, sockaddr_in($port, INADDR_LOOPBACK))) { my $line = <$socket>; return $line // "" }
        select(undef, undef, undef, 0.02);
    }
    failed("$_[0]: nothing accepts connections: $!");
}

sub expect {
    my ($when, $count) = @_;
    my $answer = ask($when);
    $answer eq "$token $count\n" or failed("$when: expected answer $count, got '$answer'");
}

sub criu {
    my ($action, @arguments) = @_;
    my @command = ("$library/$loader", "--library-path", $library, "$directory/$program", $action,
        "--no-default-config", "--libdir", "$directory/$plugins", "-D", $images, "-o", "$action.log", "-v4",
        "--manage-cgroups=ignore", "--network-lock", "skip", "--tcp-close", @arguments);
    my $pid = fork() // failed("fork: $!");
    if ($pid == 0) { $ENV{PATH} = $path; exec { $command[0] } @command or POSIX::_exit(127) }
    waitpid($pid, 0) == $pid or failed("criu $action: $!");
    $? == 0 or failed("criu $action: " . ($? & 127 ? "killed by signal " . ($? & 127) : "exit code " . ($? >> 8)));
}

loopback_up();
my $server = fork() // failed("fork: $!");
serve() if $server == 0;
expect("before the dump", 1);
criu("dump", "-t", $server);
for (1 .. 100) { $server = 0, last if waitpid($server, POSIX::WNOHANG()) == $server; select(undef, undef, undef, 0.02) }
$server == 0 or failed("criu dump left the process running");
criu("restore", "-d", "-S");
expect("after the restore", 2);
print "passed\n";
