# What a hostile program in a container tries. One line for each attempt: its name, a tab, and "refused N" with the
# errno, or what it got. Attempts open and call, they do not go on to do harm: where one succeeds the machine still works.
# Arguments: major and minor number of the disk that the host runs from, a port on the host's loopback, the name of an
# abstract socket of the host. The root that it runs in has no modules: neither strict nor what glob needs.
$| = 1;
my ($major, $minor, $port, $abstract) = @ARGV;
my ($EPERM, $ENOSYS) = (1, 38);

# The names in a directory that are there, with their paths.
sub entries { my ($path) = @_; my $d; return opendir($d, $path) ? map { "$path/$_" } grep { !/^\.\.?$/ } readdir($d) : (); }
sub report { my ($name, $result) = @_; print "$name\t$result\n"; }
sub lower_score { my $f; return open($f, ">", "/proc/self/oom_score_adj") && syswrite($f, "-1000") }
sub outcome { my ($name, $ok, $got) = @_; report($name, $ok ? "got " . ($got // "it") : "refused " . ($! + 0)); }

# --- what was left open ---------------------------------------------------------------------------------------------------
opendir(my $fds, "/proc/self/fd");
my @descriptors = $fds ? sort { $a <=> $b } grep { /^\d+$/ && $_ != fileno($fds) && readlink("/proc/self/fd/$_") ne $0 } readdir($fds) : ("?");
report("descriptors", "@descriptors" eq "0 1 2" ? "refused 0" : "got @descriptors: " . join(" ", map { readlink("/proc/self/fd/$_") // "?" } @descriptors));

# --- files of the kernel that act on the machine ------------------------------------------------------------------------
for my $path (
  "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/hostname",
  "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/fs/nfsd/x",
  "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/firmware/x",
  grep { m{/(release_agent|notify_on_release|tasks|cgroup.procs|pids.max|devices.allow)$} } map { ($_, entries($_)) } entries("/sys/fs/cgroup"),
) {
  outcome("write $path", open(my $f, ">>", $path));
}
outcome("mkdir in a cgroup", scalar(grep { mkdir("$_/escape") } "/sys/fs/cgroup", entries("/sys/fs/cgroup")));
outcome("be spared by the OOM killer", lower_score());

# --- files that tell about the machine --------------------------------------------------------------------------------
for my $path ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/sched_debug", "/dev/mem",
  "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/kvm", "/dev/fuse", "/dev/userfaultfd", "/dev/net/tun") {
  my ($f, $part);
  my $got = open($f, "<", $path) ? sysread($f, $part, 1) : undef;
  report("read $path", $got ? "got a byte" : defined $got ? "refused 0" : "refused " . ($! + 0));
}
for my $path ("/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap") {
  my @entries = entries($path);
  report("list $path", @entries ? "got @entries" : "refused 0");
}

# --- device nodes -------------------------------------------------------------------------------------------------------
my ($block, $character) = (0060000 | 0666, 0020000 | 0666);
for my $dir ("/tmp", "/dev", "/dev/shm") {
  for my $node (["disk", $block, $major, $minor], ["mem", $character, 1, 1], ["kmsg", $character, 1, 11], ["kvm", $character, 10, 232],
    ["tun", $character, 10, 200], ["loop-control", $character, 10, 237], ["fuse", $character, 10, 229], ["userfaultfd", $character, 10, 126]) {
    my ($name, $mode, $a, $b) = @$node;
    my $path = "$dir/attack-$name";
    syscall(133, $path, $mode, ($b & 0xff) | ($a << 8) | (($b & ~0xff) << 12));
    my $made = -e $path;
    outcome("open $path", open(my $f, "<", $path), $made ? "the device" : "something");
    unlink $path;
  }
}

# --- the sandbox's init ---------------------------------------------------------------------------------------------------
if ($$ != 1) {
  for my $name ("exe", "root", "cwd", "ns/mnt", "ns/pid", "ns/net") {
    my $text = readlink("/proc/1/$name");
    outcome("readlink /proc/1/$name", defined($text), $text);
  }
  for my $name ("environ", "maps", "mem", "auxv", "stack", "syscall", "exe", "root/etc/passwd", "cwd/etc/passwd", "personality") {
    my ($f, $part);
    outcome("open /proc/1/$name", open($f, "<", "/proc/1/$name") && sysread($f, $part, 1));
  }
  for my $name ("fd", "map_files", "root", "cwd", "fdinfo") {
    report("list /proc/1/$name", entries("/proc/1/$name") ? "got it" : "refused 0");
  }
  outcome("chdir /proc/1/root", chdir("/proc/1/root/..") && chdir("/"));
  outcome("ptrace of init", syscall(101, 16, 1, 0, 0) == 0);
  outcome("seizing init", syscall(101, 0x4206, 1, 0, 0) == 0);
  my ($local, $remote) = (pack("P L!", "x" x 64, 64), pack("L! L!", 0x400000, 64));
  outcome("memory of init", syscall(310, 1, $local, 1, $remote, 1, 0) > 0);
  my $pidfd = syscall(434, 1, 0);
  outcome("descriptors of init", syscall(438, $pidfd, 0, 0) >= 0);
  kill($_, 1) for (9, 19, 15, 11);
  report("killing init", kill(0, 1) || $! + 0 == $EPERM ? "refused 0" : "got it");
}

# --- system calls --------------------------------------------------------------------------------------------------------
# An errno other than these says that the kernel went on to look at the arguments.
my @calls = (
  ["mount tmpfs", 165, "none", "/tmp", "tmpfs", 0, 0], ["mount cgroup", 165, "none", "/tmp", "cgroup", 0, "pids"], ["mount proc", 165, "none", "/tmp", "proc", 0, 0],
  ["remount the root", 165, "none", "/", "none", 0x20, 0], ["bind", 165, "/proc", "/tmp", "none", 0x1000, 0],
  ["umount /proc", 166, "/proc", 2], ["pivot_root", 155, "/tmp", "/tmp"], ["fsopen", 430, "proc", 0], ["open_tree", 428, -100, "/", 1],
  ["move_mount", 429, -100, "/proc", -100, "/tmp", 0], ["mount_setattr", 442, -100, "/proc", 0, 0, 32],
  ["unshare user", 272, 0x10000000], ["unshare mount", 272, 0x20000], ["unshare net", 272, 0x40000000], ["unshare cgroup", 272, 0x2000000], ["unshare time", 272, 0x80],
  ["clone user", 56, 0x10000011, 0, 0, 0, 0], ["clone3", 435, 0, 0], ["setns", 308, 0, 0x20000],
  ["keyctl", 250, 9999, 0], ["add_key", 248, "user", "thaw", "x", 1, -3], ["request_key", 249, "user", "thaw", 0, -3],
  ["bpf", 321, 0, 0, 0], ["perf_event_open", 298, 0, 0, -1, -1, 0], ["userfaultfd", 323, 0], ["io_uring_setup", 425, 1, 0],
  ["kexec_load", 246, 0, 0, 0, 0], ["kexec_file_load", 320, -1, -1, 0, 0, 0], ["init_module", 175, 0, 0, 0], ["finit_module", 313, -1, 0, 0], ["delete_module", 176, "nothing", 0],
  ["reboot", 169, 1, 2, 3, 0], ["swapon", 167, "/none", 0], ["swapoff", 168, "/none"], ["acct", 163, 0], ["quotactl", 179, 0, 0, 0, 0], ["syslog", 103, 3, 0, 0],
  ["settimeofday", 164, 0, 0], ["clock_settime", 227, 99, 0], ["sethostname", 170, "evil", 4], ["iopl", 172, 3], ["ioperm", 173, 0, 1, 1],
  ["open_by_handle_at", 304, -1, 0, 0], ["fanotify_init", 300, 0, 0], ["move_pages", 279, 1, 0, 0, 0, 0, 0], ["lookup_dcookie", 212, 0, 0, 0],
  ["socket ALG", 41, 38, 5, 0], ["socket VSOCK", 41, 40, 1, 0], ["personality", 135, 0x40000],
);
for my $call (@calls) {
  my ($name, @args) = @$call;
  my $result = syscall($args[0], map { /^-?\d+$/ ? 0 + $_ : "$_" } @args[1 .. $#args]);
  my $error = $! + 0;
  syscall(231, 0) if $name =~ /^clone/ && $result == 0; # the child's end
  report($name, $result == -1 && ($error == $EPERM || $error == $ENOSYS) ? "refused $error" : "got $result, errno $error");
}

# --- ways out of the root ---------------------------------------------------------------------------------------------------
my $child = fork();
if ($child == 0) {
  mkdir("/tmp/jail");
  chroot("/tmp/jail");
  chdir("../../../../../../../..") for 1 .. 3;
  chroot(".");
  exit(-e "/container-marker" || !-e "/etc/os-release" ? 0 : 1);
}
waitpid($child, 0);
report("chroot of a chroot", $? == 0 ? "refused 0" : "got out");
report("working directory", -d "/proc/self/cwd/container-dir" ? "refused 0" : "got " . readlink("/proc/self/cwd"));

# --- the host's network -----------------------------------------------------------------------------------------------------
socket(my $tcp, 2, 1, 6);
outcome("connect to the host's loopback", connect($tcp, pack("S n a4 x8", 2, $port, "\x7f\0\0\1")));
socket(my $unix, 1, 1, 0);
outcome("connect to the host's abstract socket", connect($unix, pack("S", 1) . "\0$abstract"));
my @others = grep { $_ != $$ && $_ != 1 } grep { /^\d+$/ } map { s{.*/}{}r } entries("/proc");
report("processes of others", @others ? "got @others" : "refused 0");
print "done\n";
