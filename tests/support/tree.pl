# A parent with three workers: one behind pipes, one behind a TCP connection through loopback, one that the shell starts. GET /pipe
# and /tcp ask a worker, which counts; /shell says whether the third lives; "gone" is the answer of one that is no more.
$| = 1;
$SIG{PIPE} = "IGNORE";

sub worker {
    my ($in, $out) = @_;
    my $count = 0;
    while (sysread($in, my $line, 100)) { syswrite($out, ++$count . " $$ " . getppid() . "\n") }
    exit 0;
}

sub ask {
    my ($out, $in) = @_;
    my $line;
    return "gone" unless defined syswrite($out, "?") && sysread($in, $line, 100);
    chomp $line;
    return $line;
}

sub listening {
    my ($port, $address) = @_;
    socket(my $socket, 2, 1, 6) or die;
    setsockopt($socket, 1, 2, 1);
    bind($socket, pack("S n a4 x8", 2, $port, $address)) && listen($socket, 16) or die "bind: $!";
    return $socket;
}

pipe(my $down_out, my $down_in);
pipe(my $up_out, my $up_in);
if (!fork) { close $down_in; close $up_out; worker($down_out, $up_in) }
close $down_out; close $up_in;

my $private = listening(9000, "\x7f\0\0\1");
if (!fork) {
    socket(my $socket, 2, 1, 6) or die;
    connect($socket, pack("S n a4 x8", 2, 9000, "\x7f\0\0\1")) or die "connect: $!";
    worker($socket, $socket);
}
accept(my $connection, $private) or die;
close $private;

my $shell = fork;
if (!$shell) { exec "/usr/bin/perl", "-e", "sleep 100000" }

my $public = listening(8000, "\0" x 4);
while (1) {
    accept(my $client, $public) or next;
    my $request = "";
    while (sysread($client, my $part, 4096)) { $request .= $part; last if $request =~ /\r\n\r\n/ }
    my ($path) = $request =~ m{^\S+ (\S+)};
    if (defined $path) {
        my $body = $path eq "/pipe" ? ask($down_in, $up_out)
            : $path eq "/tcp" ? ask($connection, $connection)
            : kill(0, $shell) ? "alive" : "gone";
        syswrite($client, "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body");
    }
    close $client;
}
