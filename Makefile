# siphon: make, make check, make demo; `make help` lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= gcc
CXX     ?= g++
OPT     ?= -O2 -D_FORTIFY_SOURCE=2
BUSTED  ?= busted --lua=/usr/bin/lua5.4

LUA_VERSION := 5.4
LUADIR      := $(PREFIX)/share/lua/$(LUA_VERSION)
LUACDIR     := $(PREFIX)/lib/lua/$(LUA_VERSION)
DATADIR     := $(PREFIX)/share/siphon
MANDIR      := $(PREFIX)/share/man

WARN := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wundef -Wvla -Wformat=2 -Wconversion -Wwrite-strings \
        -Wimplicit-fallthrough
WARN_C := $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
HARDEN := -fstack-protector-strong -fPIC -fvisibility=hidden
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4)
LUA_LIBS   := $(shell pkg-config --libs lua5.4)

CPPFLAGS_ALL := -D_GNU_SOURCE -DSIPHON_LUADIR='"$(LUADIR)"' -Icore -Icore/include $(LUA_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL   := -std=c11 -g $(OPT) $(WARN_C) $(HARDEN) $(SANITIZE) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 -g $(OPT) $(WARN) $(HARDEN) $(SANITIZE) $(CXXFLAGS)
LDFLAGS_ALL  := -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
LIBS := -lrbd -lrados -lstdc++ $(shell pkg-config --libs libcurl libcrypto) -lm -lpthread

CORE_SRC := $(wildcard core/engine/*.c core/ceph/*.c core/http/*.c core/glance/*.c core/bind/*.c)
CORE_CXX := $(wildcard core/ceph/*.cc)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o) $(CORE_CXX:%.cc=$(BUILD)/%.o)
MAIN_OBJ := $(BUILD)/core/main.o
PROGRAM  := $(BUILD)/siphon
MODULE   := $(BUILD)/lib/siphon/core.so

# The engine's own specs: the engine and its bindings alone, allocations counted, with a module of probes.
TEST_SRC := $(wildcard core/engine/*.c tests/engine/*.c) core/bind/task.c core/bind/semaphore.c core/bind/options.c
TEST_OBJ := $(TEST_SRC:%.c=$(BUILD)/test/%.o)
TEST_HOST := $(BUILD)/test/host

# make V=1 shows the commands.
Q := $(if $(V),,@)
show = $(if $(V),,@printf '%5s  %s\n' $(1) $@)

all: $(PROGRAM) $(MODULE) ## build the command and the module for stock Lua

$(PROGRAM): $(CORE_OBJ) $(MAIN_OBJ)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ $^ $(LIBS) $(LUA_LIBS)

# Not linked with liblua: a stock lua5.4 carries its own copy, and two of them in a process do not mix.
$(MODULE): $(CORE_OBJ)
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -o $@ $^ $(LIBS)

$(TEST_HOST): $(TEST_OBJ)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ $^ -lm -lpthread $(LUA_LIBS)

$(BUILD)/test/unpreload.so: tests/support/unpreload.c
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) -shared -fPIC $(WARN_C) -o $@ $<

$(BUILD)/test/%.o: CPPFLAGS_ALL += -DSPH_TEST_MEMORY -Itests/engine
$(BUILD)/test/%.o: %.c
	@mkdir -p $(@D)
	$(call show,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call show,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	$(call show,CXX)
	$(Q)$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP -c -o $@ $<

-include $(CORE_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(TEST_OBJ:.o=.d)

# --- tests ---------------------------------------------------------------------------------------------------

SANITIZED := BUILD=build/asan OPT=-O1 SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined'

deps: ## install what building and testing needs (root; Debian 12)
	tests/deps

check: deps ## everything: build, lint, all specs on a real Ceph and Glance, again sanitized
	$(MAKE) lint
	$(MAKE) specs
	$(MAKE) check-tsan
	$(MAKE) check-asan

specs: all $(TEST_HOST) ## all specs, on a bed of their own
	tests/run

check-unit: all $(TEST_HOST) ## the specs that need no cluster
	tests/run --unit

check-asan: ## all specs again with the address and undefined-behaviour sanitizers
	$(MAKE) $(SANITIZED) all build/asan/test/host build/asan/test/unpreload.so
	SIPHON_BUILD=build/asan SIPHON_RANDOM_IMAGES=10 tests/run

check-tsan: ## the engine's specs with the thread sanitizer
	$(MAKE) BUILD=build/tsan OPT=-O1 SANITIZE=-fsanitize=thread build/tsan/test/host
	build/tsan/test/host tests/engine/run.lua tests/engine

demo: deps ## a volume becomes a Glance image on a throw-away cluster, and is compared
	$(MAKE) all
	examples/demo

C_FILES := $(wildcard core/*.c core/*/*.[ch] tests/engine/*.[ch])
TIDY_FILES := $(filter %.c,$(C_FILES))

lint: lint-c lint-lua lint-sh ## all linters

lint-c: $(TIDY_FILES:%=$(BUILD)/lint/%)
	clang-format --dry-run --Werror $(C_FILES)

LINT_FLAGS = $(filter-out -DSIPHON_LUADIR=%,$(CPPFLAGS_ALL)) -DSPH_TEST_MEMORY -Itests/engine -std=c11

# clang's warnings come first: clang-tidy reports them less clearly.
$(BUILD)/lint/%.c: %.c .clang-tidy
	$(call show,LINT)
	$(Q)clang $(LINT_FLAGS) $(WARN_C) -fsyntax-only $<
	$(Q)clang-tidy --quiet $< -- $(LINT_FLAGS) 2>/dev/null
	@mkdir -p $(@D) && touch $@

lint-lua:
	luacheck --quiet lua policies tests examples

lint-sh:
	shellcheck -x $(SHELL_FILES)

SHELL_FILES := .ci/run tests/run tests/deps examples/demo $(wildcard tests/testbed/testbed tests/support/*.sh)

# --- installing ----------------------------------------------------------------------------------------------

install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/siphon
	install -D -m 644 $(MODULE) $(DESTDIR)$(LUACDIR)/siphon/core.so
	cd lua && find . -name '*.lua' -exec install -D -m 644 {} $(abspath $(DESTDIR)$(LUADIR))/{} \;
	install -d $(DESTDIR)$(DATADIR)/policies $(DESTDIR)$(MANDIR)/man1
	install -m 644 policies/*.lua $(DESTDIR)$(DATADIR)/policies
	install -m 644 docs/*.1 $(DESTDIR)$(MANDIR)/man1

clean: ## remove what was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: all deps check specs check-unit check-asan check-tsan demo lint lint-c lint-lua lint-sh install clean help
.DELETE_ON_ERROR:
