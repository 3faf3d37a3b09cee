#!/bin/bash
# A machine that has cgroup v2 and nothing else, for running tests on it wherever this one has v1 or hybrid:
#
#     scripts/v2-machine.sh fetch            gets Debian's kernel and busybox into the cache, and qemu where it is missing
#     scripts/v2-machine.sh missing          says what is missing for `run`; nothing when all is there
#     scripts/v2-machine.sh run COMMAND...   runs a command in the machine, with its exit code
#
# It is a qemu guest that boots Debian's kernel. Its root is this machine's, shared read-only, under a layer in the
# guest's memory: the same programs and the same checkout at the same paths, and nothing that it writes stays. Without
# usable hardware virtualization qemu translates, which is some ten times slower and otherwise the same.
set -euo pipefail

HERE=$(cd "$(dirname "$0")/.." && pwd)
CACHE=${THAW_CACHE:-$HERE/.cache}/v2-machine
MEMORY_MB=2048
SECONDS_MAX=${V2_SECONDS:-300}
MODULES="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev
  drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci fs/netfs/netfs fs/fscache/fscache net/9p/9pnet
  net/9p/9pnet_virtio fs/9p/9p fs/overlayfs/overlay drivers/block/virtio_blk"
MARK="v2-machine-exit:"

missing() {
  command -v qemu-system-x86_64 >/dev/null || { echo "needs qemu: apt-get install qemu-system-x86"; return; }
  [[ -e $CACHE/vmlinuz ]] || echo "needs a kernel: scripts/v2-machine.sh fetch"
}

fetch() {
  command -v qemu-system-x86_64 >/dev/null || apt-get -qq install -y --no-install-recommends qemu-system-x86 >/dev/null
  [[ -e $CACHE/vmlinuz ]] && return
  local kernel module
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  kernel=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
  [[ -n $kernel ]] || { echo "v2-machine: no package linux-image-amd64 here; run apt-get update" >&2; exit 1; }
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static)
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
  mkdir -p "$CACHE/modules"
  local number=0
  for module in $MODULES; do
    number=$((number + 1))
    cp "$work"/root/lib/modules/*/kernel/"$module".ko "$CACHE/modules/$(printf %02d $number)-${module##*/}.ko"
  done
  cp "$work/root/bin/busybox" "$CACHE/busybox"
  cp "$work"/root/boot/vmlinuz-* "$CACHE/vmlinuz.new"
  mv "$CACHE/vmlinuz.new" "$CACHE/vmlinuz"
}

# What the guest's kernel starts: loads modules, builds the root, mounts what a machine has, runs the command.
write_init() {
  cat <<INIT
#!/bin/busybox sh
b=/bin/busybox
\$b mount -t proc proc /proc
\$b mount -t sysfs sys /sys
\$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do \$b insmod \$module; done
\$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
\$b mount -t tmpfs -o size=80% top /top
\$b mkdir /top/upper /top/work
\$b mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work root /root
for directory in proc sys dev; do \$b mount --move /\$directory /root/\$directory; done
for directory in tmp run; do \$b mount -t tmpfs \$directory /root/\$directory; done
\$b mkdir -p /root/dev/pts /root/dev/shm /root/dev/mqueue
\$b mount -t devpts -o ptmxmode=666 pts /root/dev/pts
\$b mount -t tmpfs shm /root/dev/shm
\$b mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
\$b ifconfig lo 127.0.0.1 up
\$b cp /command /root/run/v2-command
exec \$b switch_root /root /bin/bash /run/v2-command
INIT
}

write_command() {
  cat <<COMMAND
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export THAW_CACHE=$(printf %q "${THAW_CACHE:-$HERE/.cache}") V2_MACHINE=1
cd $(printf %q "$PWD")
$(printf '%q ' "$@") </dev/null
echo "$MARK \$?"
sync
echo o >/proc/sysrq-trigger
sleep 10
COMMAND
}

write_initrd() {
  local root=$1/initrd
  shift
  mkdir -p "$root"/{bin,modules,proc,sys,dev,host,top,root}
  cp "$CACHE/busybox" "$root/bin/"
  cp "$CACHE"/modules/*.ko "$root/modules/"
  write_init >"$root/init"
  write_command "$@" >"$root/command"
  chmod +x "$root/init"
  (cd "$root" && find . | "$CACHE/busybox" cpio -o -H newc 2>/dev/null) >"$root.cpio"
}

accelerator() {
  if [[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
    echo "-accel kvm -cpu host"
  else
    echo "-accel tcg,thread=multi -cpu max"
  fi
}

run() {
  local problem code
  problem=$(missing)
  [[ -z $problem ]] || { echo "v2-machine: $problem" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  write_initrd "$work" "$@"
  # shellcheck disable=SC2046
  timeout "$SECONDS_MAX" qemu-system-x86_64 $(accelerator) -M q35 -m $MEMORY_MB -smp 2 -nodefaults -no-user-config \
    -display none -no-reboot -serial stdio -kernel "$CACHE/vmlinuz" -initrd "$work/initrd.cpio" \
    -append "console=ttyS0 quiet loglevel=1 panic=-1" \
    -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
    -drive file="$work/initrd.cpio",if=virtio,readonly=on,format=raw \
    -device virtio-9p-pci,fsdev=host,mount_tag=host </dev/null |
    tr -d '\r' | tee "$work/output" | grep -v "^$MARK " || true
  code=$(sed -n "s/^$MARK //p" "$work/output")
  [[ -n $code ]] || { echo "v2-machine: the guest did not come to its end within $SECONDS_MAX s" >&2; exit 1; }
  exit "$code"
}

case ${1:-} in
  fetch | missing) "$1" ;;
  run) shift; run "$@" ;;
  *) echo "usage: $0 fetch | missing | run COMMAND..." >&2; exit 2 ;;
esac
