# A server of the user that it was started as: GET /write makes a file and says whose it is, anything else is answered with
# the path. With the argument "tree" it is root's, and has two workers of other users with limits of their own.
$| = 1;
$SIG{PIPE} = "IGNORE";

sub worker {
    my ($uid, $gid, $files, $said) = @_;
    syscall(160, 7, pack("Q2", $files, 2 * $files)) == 0 or die "setrlimit: $!"; # RLIMIT_NOFILE
    ($(, $)) = ($gid, "$gid $gid");
    ($<, $>) = ($uid, $uid);
    syswrite($said, "x");
    close $said;
    select(undef, undef, undef, 60) while 1;
}

if (($ARGV[0] || "") eq "tree") {
    for ([33, 33, 100], [1000, 1001, 200]) {
        pipe(my $ready, my $said);
        if (!fork) { close $ready; worker(@$_, $said) }
        close $said;
        sysread($ready, my $byte, 1) or die "a worker failed";
    }
}

print STDERR "a line on stderr\n";
socket(my $listener, 2, 1, 6) or die;
setsockopt($listener, 1, 2, 1);
bind($listener, pack("S n a4 x8", 2, 8000, "\0" x 4)) && listen($listener, 64) or die "bind: $!";
while (1) {
    accept(my $client, $listener) or next;
    my $request = "";
    while (sysread($client, my $part, 4096)) { $request .= $part; last if $request =~ /\r\n\r\n/ }
    my ($path) = $request =~ m{^\S+ (\S+)} or next;
    my $body = $path;
    if ($path eq "/write") {
        open(my $file, ">", "/tmp/file") or $body = "failed: $!";
        $body = join(":", (stat $file)[4, 5]) if $file;
    }
    print "$path\n";
    print STDERR "error $path\n";
    syswrite($client, "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body");
}
