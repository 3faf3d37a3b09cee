# thaw: `make` builds, `make setup` prepares the machine, `make demo|test|check` show that it works.
# Every target can be repeated; what is there already is neither fetched nor built again.

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := build
SHELL := /bin/bash

# What thaw fetches or makes once (CRIU, base root file systems) stays inside the clone.
export THAW_CACHE ?= $(CURDIR)/.cache

BUN   := node_modules/.bin/bun
BIOME := node_modules/.bin/biome
DEMO  := dist/thaw bench demo --json-file results/demo.json examples/flask

CC       := gcc
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
            -Wpointer-arith -Wwrite-strings -Wundef -Wimplicit-fallthrough
CFLAGS   := -std=gnu11 -O2 -g $(WARNINGS) -fstack-protector-strong
CPPFLAGS := -D_FORTIFY_SOURCE=2 -Inative/launcher -MMD -MP
# Sanitizers need a dynamic program and want no fortified wrappers between them and the C library.
SANITIZE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -U_FORTIFY_SOURCE
LDLIBS   := -lseccomp

LAUNCHER_MAIN := native/launcher/main.c
LAUNCHER_C    := $(sort $(shell find native/launcher -name '*.c' 2>/dev/null))
LIBRARY_C     := $(filter-out $(LAUNCHER_MAIN),$(LAUNCHER_C))
TESTS_C       := $(sort $(wildcard tests/native/*.c))
THAW_SOURCES  := $(shell find src -type f ! -name '*.test.ts' 2>/dev/null)

.PHONY: all build setup setup-build demo test test-v2 check format generate hooks clean native-tests native-sanitized
all: build

build: dist/thaw dist/thaw-launcher

# The machine has what the build needs.
setup-build:
	@bash scripts/setup.sh

# The machine has what running thaw needs, CRIU among it.
setup: build
	@dist/thaw setup

# Without the last two the program reads .env and bunfig.toml (which names code to run) of whatever directory it is used in.
COMPILE := --compile --minify --bytecode --splitting --format=esm --no-compile-autoload-dotenv --no-compile-autoload-bunfig

dist/thaw: $(THAW_SOURCES) Makefile package.json package-lock.json | setup-build
	@echo "==> compiling $@"
	@mkdir -p $(@D)
	@out=$$($(BUN) build $(COMPILE) --outfile $@.new src/cli/main.ts 2>&1) \
	  || { echo "$$out" >&2; exit 1; }
	@mv $@.new $@

# What turns a process into a dumped one has no libc and no fixed address; the launcher carries it as bytes.
RESTORER_C     := $(sort $(wildcard native/restorer/*.c))
RESTORER_FLAGS := -std=gnu11 -O2 $(WARNINGS) -ffreestanding -fPIE -fvisibility=hidden -fno-stack-protector -fno-jump-tables \
                  -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fcf-protection=none -mno-red-zone -mgeneral-regs-only

build/restorer/%.o: native/restorer/%.c Makefile | setup-build
	@mkdir -p $(@D)
	@echo "==> cc $< (restorer)"
	@$(CC) -MMD -MP $(RESTORER_FLAGS) -c $< -o $@

build/restorer/restorer.bin: $(RESTORER_C:native/restorer/%.c=build/restorer/%.o) native/restorer/restorer.ld
	@ld -T native/restorer/restorer.ld -o build/restorer/restorer.elf $(filter %.o,$^)
	@objcopy -O binary build/restorer/restorer.elf $@

build/plain/native/launcher/restore.o build/sanitized/native/launcher/restore.o: build/restorer/restorer.bin

# What CRIU loads when it dumps, for any C library that it may have; carried as bytes, too.
LIMITS_FLAGS := -std=gnu11 -Os $(WARNINGS) -fPIC -shared -nostdlib -fvisibility=default -fno-builtin -fno-stack-protector \
                -fno-asynchronous-unwind-tables -Wl,-z,noseparate-code,-z,noexecstack,--hash-style=gnu,--build-id=none -s

build/criu/limits.so: native/criu/limits.c Makefile | setup-build
	@mkdir -p $(@D)
	@echo "==> cc $< (for CRIU)"
	@$(CC) $(LIMITS_FLAGS) -o $@ $<

build/plain/native/launcher/engine.o build/sanitized/native/launcher/engine.o: build/criu/limits.so

# Each C program is linked from an archive, so that a native test may include a file of the launcher to
# reach what is private in it, and what a test defines stands in for the launcher's (the first definition counts). Sanitized objects lie beside the others, under build/sanitized.
define c-flavour
build/$(1)/%.o: %.c Makefile | setup-build
	@mkdir -p $$(@D)
	@echo "==> cc $$< ($(1))"
	@$$(CC) $$(CPPFLAGS) $$(CFLAGS) $(2) -c $$< -o $$@

build/$(1)/launcher.a: $$(LIBRARY_C:%.c=build/$(1)/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^

build/$(1)/test-%: build/$(1)/tests/native/%.o build/$(1)/launcher.a
	@$$(CC) $$(CFLAGS) $(2) $(3) -Wl,--allow-multiple-definition $$^ $$(LDLIBS) -o $$@
endef
$(eval $(call c-flavour,plain,,-static))
$(eval $(call c-flavour,sanitized,$$(SANITIZE),))

dist/thaw-launcher: build/plain/$(LAUNCHER_MAIN:.c=.o) build/plain/launcher.a
	@echo "==> linking $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -static -Wl,--strip-debug $^ $(LDLIBS) -o $@.new
	@mv $@.new $@

native-tests: $(TESTS_C:tests/native/%.c=build/plain/test-%)
native-sanitized: $(TESTS_C:tests/native/%.c=build/sanitized/test-%)

# Cold start and wake-up of a real Flask service, side by side.
demo: setup
	@mkdir -p results
	@$(DEMO)

test: setup native-tests
	@$(BUN) scripts/run-tests.ts

# The same tests where cgroup v2 is all there is: in a small virtual machine. Fetches qemu and a kernel first.
test-v2: setup
	@bash scripts/v2-machine.sh fetch
	@$(BUN) test tests/v2.test.ts --timeout 120000

check: dist/thaw-launcher native-sanitized
	@$(BUN) scripts/run-checks.ts

# Both sides of the launcher protocol, from protocol/launcher.yaml.
generate: | setup-build
	@$(BUN) protocol/generate.ts

# The compiled parts of the hooks that renew random state; needed only after a change of native/hooks. Takes a JDK.
hooks: | setup-build
	@$(BUN) scripts/build-hooks.ts

format: | setup-build
	@$(BIOME) check --write .

# Leaves node_modules and the cache: they are dear to get and make looks after them.
clean:
	rm -rf dist build results

-include $(shell find build -name '*.d' 2>/dev/null)
# Objects are kept: they are chained through pattern rules and would be thrown away as intermediates.
.SECONDARY:
