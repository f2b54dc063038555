# Works with GNU Make 3.81 and the tools that macOS brings. `make help` lists the commands.

PREFIX ?= /usr/local
DESTDIR ?=
T ?=
KEEP ?=
MINUTES ?= 30
QUICK ?=
BENCH ?=
SUMS ?=
TEST_PROGRAM ?=

BUN_VERSION := $(shell sed -n 's/.*"bun": "\(.*\)".*/\1/p' package.json)
BUN := build/bun-$(BUN_VERSION)/bun
PROGRAM := sbin/launch_socket_server
SOURCES := $(wildcard src/*.ts src/*/*.ts src/*/*/*.ts) package.json bun.lock \
	scripts/build.ts scripts/deaf-runtime.ts scripts/sign.ts scripts/macho.ts scripts/code-directory.ts

# A program that is built already, to be tested in place of $(PROGRAM); relative to the folder that make was called in.
ifneq ($(TEST_PROGRAM),)
override TEST_PROGRAM := $(if $(filter /%,$(TEST_PROGRAM)),$(TEST_PROGRAM),$(or $(PWD),$(CURDIR))/$(TEST_PROGRAM))
export TEST_PROGRAM
TESTED :=
else
TESTED := $(PROGRAM)
endif

.PHONY: all
all: $(PROGRAM)

$(BUN): scripts/find-bun bun.lock
	@scripts/find-bun $(BUN_VERSION) $@

build/dependencies: package.json bun.lock | $(BUN)
	@echo "Installing the dependencies that bun.lock names"
	@$(BUN) install --frozen-lockfile --silent
	@touch $@

$(PROGRAM): $(SOURCES) build/dependencies
	@echo "Building $@"
	@$(BUN) scripts/build.ts --outfile $@

# The launchd stand-in's launch_activate_socket, for the tests, which build programs that find it.
build/test/liblaunchd.so: $(addprefix test/support/launchd/,activate.c processes.c sockets.c table.h)
	@mkdir -p build/test
	@$(CC) -shared -fPIC -O1 -Wall -Wextra -Werror -o $@ $(filter %.c,$^)

# The same program, but looking up launch_activate_socket in the stand-in.
build/test/launch_socket_server: $(SOURCES) build/dependencies build/test/liblaunchd.so
	@$(BUN) scripts/build.ts --outfile $@ --launchd-library "$(CURDIR)/build/test/liblaunchd.so"

.PHONY: test
test: $(TESTED) build/test/launch_socket_server ## run all tests; T=half-close: those of that name; TEST_PROGRAM=path: on that program
	@$(BUN) scripts/test.ts $(T)

.PHONY: test-mac
ifeq ($(shell uname -sm),Linux x86_64)
test-mac: build/mac/launch_socket_server-mac build/test/launch_socket_server ## the tests on the Mac program (on Linux, x86-64); T=kqueue: those of that name
	@TEST_PROGRAM="$(CURDIR)/build/mac/launch_socket_server" TEST_PLATFORM=macos $(BUN) scripts/test.ts --mac $(T)
else
test-mac:
	@echo "make test-mac is left out: it needs Linux on an x86-64 processor, and this is $$(uname -sm)"
endif

# The Mac program as it is released, and what runs it on x86-64 Linux (test/support/macrun/README.md).
build/mac/darwin-x64/launch_socket_server: $(SOURCES) scripts/compile.ts scripts/runtimes.ts build/dependencies
	@echo "Building $@ for darwin-x64"
	@$(BUN) scripts/compile.ts darwin-x64 $@

# It reads memory that the Mac program has laid out, under that program's types.
build/mac/macrun: $(wildcard test/support/macrun/*.[ch]) test/support/launchd/activate.c test/support/launchd/table.h
	@mkdir -p build/mac
	@$(CC) -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fno-strict-aliasing -rdynamic -o $@ \
	  $(filter-out %/wrapper.c,$(filter %.c,$^)) -lm -lutil -ldl -lpthread

# It has the released name too, by which the checks of --check-plist go.
build/mac/launch_socket_server-mac: test/support/macrun/wrapper.c build/mac/macrun build/mac/darwin-x64/launch_socket_server
	@$(CC) -O1 -Wall -Wextra -Werror -o $@ $<
	@ln -f $@ build/mac/launch_socket_server

.PHONY: interop
interop: $(TESTED) ## real clients and servers through this program and directly, compared; T=redis: those of that name
	@$(BUN) scripts/test.ts --interop $(T)

.PHONY: soak
soak: $(TESTED) ## mixed load for MINUTES (30), watching memory, descriptors and processor time for drift
	@$(BUN) scripts/soak.ts $(MINUTES)

.PHONY: check
check: build/dependencies ## formatter, linter and types, changing nothing
	@$(BUN) x --bun biome check .
	@$(BUN) x --bun tsc --noEmit

.PHONY: fix
fix: build/dependencies ## let formatter and linter fix what they can
	@$(BUN) x --bun biome check --write .
	@$(BUN) scripts/document.ts

.PHONY: demo
demo: $(PROGRAM) ## a small server with the program in front of it, on this machine; KEEP=1 leaves it running
	@$(BUN) scripts/demo.ts $(if $(KEEP),--keep)

.PHONY: dist
dist: build/dependencies ## what is released, for every system, in dist/; RELEASE_URL=where it will be
	@$(BUN) scripts/dist.ts

.PHONY: formula
formula: build/dependencies ## print the Homebrew formula of a release; SUMS=its SHA256SUMS
	@$(BUN) scripts/formula.ts "$(SUMS)"

.PHONY: verify-macos
verify-macos: $(PROGRAM) ## on a Mac: check what no other system can; it cleans up after itself
	@scripts/verify-macos

.PHONY: bench
bench: $(PROGRAM) ## speed beside nginx, HAProxy and others; QUICK=1 to try it out; BENCH="--only nginx" (scripts/bench/main.ts)
	@$(BUN) scripts/bench/main.ts $(if $(QUICK),--quick) $(BENCH)

# Never builds: an install under sudo must not leave files of root in the checkout.
.PHONY: install
install: ## install what `make` built below PREFIX (/usr/local); DESTDIR for packagers
	@scripts/install "$(DESTDIR)$(PREFIX)"

.PHONY: uninstall
uninstall: ## remove what `make install` put there
	@scripts/install --remove "$(DESTDIR)$(PREFIX)"

.PHONY: clean
clean: ## remove all that was built or fetched
	rm -rf build dist sbin node_modules

.PHONY: help
help: ## this list
	@echo "make              build $(PROGRAM) for this machine"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-17s %s\n", $$1, $$2 }'
