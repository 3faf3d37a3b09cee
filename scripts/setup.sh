#!/bin/bash
# Brings what a build needs onto the machine: Debian packages and node_modules. Looks before it
# fetches, so that a second run touches neither the network nor the disk.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is looked for (a command, or a file when it begins with /) and the Debian package that has it.
NEEDED="
gcc                               gcc
ar                                binutils
make                              make
/usr/include/stdio.h              libc6-dev
/usr/include/linux/openat2.h      linux-libc-dev
/usr/include/seccomp.h            libseccomp-dev
node                              nodejs
npm                               npm
tar                               tar
xz                                xz-utils
zstd                              zstd
mmdebstrap                        mmdebstrap
ip                                iproute2
/usr/sbin/nft                     nftables
/usr/lib/x86_64-linux-gnu/libjemalloc.so.2 libjemalloc2
/etc/ssl/certs/ca-certificates.crt ca-certificates
"

say() { printf '==> %s\n' "$*"; }

# Prints the packages that are missing, one a line.
missing_packages() {
  local what package
  while read -r what package; do
    case "$what" in
      '') ;;
      /*) [ -e "$what" ] || echo "$package" ;;
      *) command -v "$what" >/dev/null || echo "$package" ;;
    esac
  done <<<"$NEEDED"
}

# Passes on what matters of apt's output: how far it is, and errors.
apt_progress() {
  awk '/newly installed/ { print "    " $0 }
    /^Setting up / && ++done % 100 == 0 { print "    " done " packages set up"; fflush() }
    /^(E|W|Err)[:]/ || /^dpkg: error/ { print; fflush() }'
}

install_packages() {
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "thaw needs these Debian packages: $missing" >&2
    echo "Install them, then run make again:  sudo apt-get update && sudo apt-get install $missing" >&2
    exit 1
  fi
  say "installing packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 $missing 2>&1 | apt_progress
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "$missing" ] || { echo "still missing after apt-get install: $missing" >&2; exit 1; }
}

install_modules() {
  node scripts/modules-fresh.mjs && return 0
  say "installing npm packages (npm ci)"
  npm ci --loglevel=error --no-audit --no-fund
}

# The bun package puts its program in place in a postinstall script, which npm may have been told not to run.
link_bun() {
  node_modules/.bin/bun --version >/dev/null 2>&1 && return 0
  say "putting bun in place"
  node node_modules/bun/install.js
  node_modules/.bin/bun --version >/dev/null
}

install_packages
install_modules
link_bun
