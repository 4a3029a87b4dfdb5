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
LIBDIR      ?= $(PREFIX)/lib
LUACDIR     ?= $(LIBDIR)/lua/$(LUA_VERSION)
SHAREDIR    := $(PREFIX)/share
DATADIR     := $(SHAREDIR)/siphon
MANDIR      := $(SHAREDIR)/man
ZSH_SITE    := $(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

WARN := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wundef -Wvla -Wformat=2 -Wconversion -Wwrite-strings \
        -Wimplicit-fallthrough
WARN_C := $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
HARDEN := -fstack-protector-strong -fPIC -fvisibility=hidden
LUA_CFLAGS := $(shell pkg-config --cflags lua5.4)
LUA_LIBS   := $(shell pkg-config --libs lua5.4)

CPPFLAGS_ALL := -D_GNU_SOURCE -DSIPHON_LUADIR='"$(LUADIR)"' -DSIPHON_LUACDIR='"$(LUACDIR)"' -Icore -Icore/include $(LUA_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL   := -std=c11 -g $(OPT) $(WARN_C) $(HARDEN) $(SANITIZE) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 -g $(OPT) $(WARN) $(HARDEN) $(SANITIZE) $(CXXFLAGS)
LDFLAGS_ALL  := -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)
LIBS := -lrbd -lrados -lstdc++ $(shell pkg-config --libs libcurl libcrypto) -lm -lpthread

CORE_SRC := $(wildcard core/engine/*.c core/ceph/*.c core/http/*.c core/glance/*.c core/bind/*.c)
CORE_CXX := $(wildcard core/ceph/*.cc)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o) $(CORE_CXX:%.cc=$(BUILD)/%.o)
COMMAND_OBJ := $(BUILD)/core/command/command.o
MAIN_OBJ := $(BUILD)/core/main.o $(BUILD)/core/bind/directory.o
PROGRAM  := $(BUILD)/siphon
MODULE   := $(BUILD)/lib/siphon/core.so
READLINE := $(BUILD)/lib/siphon/readline.so
REFERENCE := $(BUILD)/lua/siphon/reference.lua

# What other programs link with. The first number of the soname changes when one of them would notice.
VERSION    := $(shell sed -n 's/^.define SIPHON_VERSION "\(.*\)"/\1/p' core/include/siphon.h)
LIB_SRC    := $(wildcard core/lib/*.c)
LIB_OBJ    := $(LIB_SRC:%.c=$(BUILD)/%.o)
LIB_SONAME := libsiphon.so.0
LIB_FILE   := libsiphon.so.$(VERSION)
LIBRARY    := $(BUILD)/lib/$(LIB_FILE)

# The engine's own specs: the engine and its bindings alone, allocations counted, with a module of probes.
TEST_SRC := $(wildcard core/engine/*.c tests/engine/*.c) core/bind/task.c core/bind/semaphore.c core/bind/options.c
TEST_OBJ := $(TEST_SRC:%.c=$(BUILD)/test/%.o)
TEST_HOST := $(BUILD)/test/host

# The embedding API's tests: libsiphon on that engine, again without Ceph; and a host that loads the real library.
LIB_TEST_SRC := $(wildcard core/engine/*.c core/lib/*.c) $(wildcard tests/lib/*.c) core/bind/preload.c core/bind/directory.c \
                core/bind/task.c core/bind/semaphore.c core/bind/options.c core/bind/system.c
LIB_TEST_OBJ := $(LIB_TEST_SRC:%.c=$(BUILD)/test/%.o)
LIB_TEST     := $(BUILD)/test/libsiphon
PLUGIN_HOST  := $(BUILD)/test/plugin-host
TWO_STATES   := $(BUILD)/test/two-states
TEST_PROGRAMS := $(TEST_HOST) $(LIB_TEST) $(PLUGIN_HOST) $(TWO_STATES)
EXAMPLES     := $(patsubst examples/c/%.c,$(BUILD)/examples/%,$(wildcard examples/c/*.c))

comma := ,
# make V=1 shows the commands.
Q := $(if $(V),,@)
show = $(if $(V),,@printf '%5s  %s\n' $(1) $@)

all: $(PROGRAM) $(MODULE) $(LIBRARY) $(READLINE) $(REFERENCE) ## build the command, the module for stock Lua, and libsiphon

# Lua and no more: it loads the module when a command needs it, which takes 14 ms for librbd and libcurl alone. A
# sanitizer's runtime wants the C++ library, whose exceptions it wraps, from the start.
$(PROGRAM): $(MAIN_OBJ) | $(MODULE)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ $^ $(LUA_LIBS) $(if $(SANITIZE),-Wl$(comma)--no-as-needed -lstdc++)

# Not linked with liblua: a stock lua5.4 carries its own copy, and two of them in a process do not mix. Not unloaded,
# as the library below.
$(MODULE): $(CORE_OBJ) $(COMMAND_OBJ)
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-z,nodelete -o $@ $^ $(LIBS)

# Not unloaded: Ceph's threads and curl's globals outlive the last engine.
$(LIBRARY): $(CORE_OBJ) $(LIB_OBJ) core/lib/siphon.sym
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,$(LIB_SONAME) -Wl,--version-script,core/lib/siphon.sym \
	  -Wl,-z,nodelete -o $@ $(filter %.o,$^) $(LIBS) $(LUA_LIBS)
	$(Q)ln -sf $(LIB_FILE) $(@D)/$(LIB_SONAME) && ln -sf $(LIB_SONAME) $(@D)/libsiphon.so

# Under the GPL by what it links, hence by itself: see its source.
$(READLINE): $(BUILD)/core/readline/readline.o
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -o $@ $^ -lreadline

$(TEST_HOST): $(TEST_OBJ)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ $^ -lm -lpthread $(LUA_LIBS)

$(LIB_TEST): $(LIB_TEST_OBJ)
	$(call show,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -pie -o $@ $^ -lm -lpthread $(LUA_LIBS)

$(PLUGIN_HOST): tests/lib/plugin/host.c core/include/siphon.h
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) -D_GNU_SOURCE -Icore/include $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $< -ldl

$(TWO_STATES): tests/stock_lua/two_states.c
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) $(LUA_CFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $< -lpthread $(LUA_LIBS)

$(BUILD)/examples/%: examples/c/%.c core/include/siphon.h $(LIBRARY)
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) -D_GNU_SOURCE -Icore/include $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $< -L$(BUILD)/lib -lsiphon \
	  -Wl,-rpath,'$$ORIGIN/../lib'

$(BUILD)/test/unpreload.so: tests/support/unpreload.c
	@mkdir -p $(@D)
	$(call show,LINK)
	$(Q)$(CC) -shared -fPIC $(WARN_C) -o $@ $<

$(BUILD)/test/%.o: CPPFLAGS_ALL += -DSPH_TEST_MEMORY -Itests/engine -Itests/lib
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

# One source, the comments beside the functions, makes what help() shows, siphon-lua(3) and the types for LuaLS; another,
# the table of events, siphon-events(7) and their JSON schema.
$(REFERENCE): $(wildcard docs/reference/*.lua core/bind/*.c core/engine/error.c core/engine/object.c) \
              $(shell find lua/siphon -name '*.lua' -not -path '*/cli/*' -not -path '*/repl/*')
	$(call show,DOC)
	$(Q)lua5.4 docs/reference/main.lua $(BUILD)

-include $(CORE_OBJ:.o=.d) $(BUILD)/core/readline/readline.d $(LIB_OBJ:.o=.d) $(COMMAND_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(TEST_OBJ:.o=.d) $(LIB_TEST_OBJ:.o=.d)

# --- tests ---------------------------------------------------------------------------------------------------

SANITIZED := BUILD=build/asan OPT=-O1 SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined'

deps: ## install what building and testing needs (root; Debian 12)
	tests/deps

check: export SIPHON_AGAIN := 1
check: deps ## everything: build, lint, all specs on a real Ceph and Glance, again sanitized, and on a real Cinder
	$(MAKE) lint
	$(MAKE) specs
	$(MAKE) check-tsan
	$(MAKE) check-valgrind
	$(MAKE) check-asan
	$(MAKE) check-openstack

examples: $(EXAMPLES) ## build the examples in C

specs: all examples $(TEST_PROGRAMS) ## all specs, on a bed of their own
	tests/run

test-programs: $(TEST_PROGRAMS)

check-unit: all examples $(TEST_PROGRAMS) ## the specs that need no cluster
	tests/run --unit

check-asan: ## all specs again with the address and undefined-behaviour sanitizers
	$(MAKE) $(SANITIZED) all examples test-programs build/asan/test/unpreload.so
	SIPHON_BUILD=build/asan SIPHON_RANDOM_IMAGES=10 tests/run

check-tsan: ## the specs of the engine and of libsiphon with the thread sanitizer
	$(MAKE) BUILD=build/tsan OPT=-O1 SANITIZE=-fsanitize=thread build/tsan/test/host build/tsan/test/libsiphon
	build/tsan/test/host tests/engine/run.lua tests/engine
	build/tsan/test/libsiphon

faults: all $(TEST_HOST) ## kill a copy at every point, resume and undo it; writes docs/faults.md (half an hour)
	SIPHON_FAULTS=all tests/run tests/faults/matrix_spec.lua

bench: deps ## measures siphon against rbd cp and others; CASES="random thin" picks some, and writes nothing
	$(MAKE) all
	tests/bench/run $(CASES)

# The hosts of examples/ that need a cluster: tests/examples/valgrind_spec.lua.
VALGRIND := valgrind -q --child-silent-after-fork=yes --leak-check=full --show-leak-kinds=definite \
            --errors-for-leak-kinds=definite --error-exitcode=1

check-valgrind: $(LIB_TEST) $(LIBRARY) ## the tests of libsiphon and of its Python binding under valgrind
	$(VALGRIND) $(LIB_TEST)
	LIBSIPHON=$(abspath $(LIBRARY)) PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 $(VALGRIND) \
	  /usr/bin/python3 examples/python/test_siphon.py

check-openstack: all ## Cinder's uploads with the driver of examples/cinder, on the real Cinder, Keystone and Glance
	tests/testbed/testbed install --cinder
	SIPHON_BED=--cinder tests/run tests/openstack

demo: deps ## a volume becomes a Glance image on a throw-away cluster, and is compared
	$(MAKE) all
	examples/demo

pictures: deps ## take the pictures of docs/pictures anew
	$(MAKE) all
	docs/pictures/make

C_FILES := $(wildcard core/*.c core/*/*.[ch] tests/engine/*.[ch] tests/lib/*.[ch] tests/lib/*/*.c tests/stock_lua/*.c examples/c/*.c)
TIDY_FILES := $(filter %.c,$(C_FILES))

lint: lint-c lint-lua lint-sh lint-abi lint-docs ## all linters

lint-c: $(TIDY_FILES:%=$(BUILD)/lint/%)
	$(call show,FORMAT)
	$(Q)clang-format --dry-run --Werror $(C_FILES)

LINT_FLAGS = $(filter-out -DSIPHON_LUA%,$(CPPFLAGS_ALL)) -DSPH_TEST_MEMORY -Itests/engine -Itests/lib -std=c11

# clang's warnings come first: clang-tidy reports them less clearly.
$(BUILD)/lint/%.c: %.c .clang-tidy
	$(call show,LINT)
	$(Q)clang $(LINT_FLAGS) $(WARN_C) -fsyntax-only $<
	$(Q)clang-tidy --quiet $< -- $(LINT_FLAGS) 2>/dev/null
	@mkdir -p $(@D) && touch $@

lint-lua:
	luacheck --quiet lua policies tests examples docs

lint-docs: $(REFERENCE)
	lua5.4 docs/reference/main.lua --check
	$(call show,MAN)
	$(Q)for page in docs/*.[1-8] $(BUILD)/man/*.[1-8]; do \
	  LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$$page" 2>&1 >/dev/null | sed "s|^|$$page: |"; done | { ! grep .; }

lint-sh:
	$(call show,LINT)
	$(Q)shellcheck -x $(SHELL_FILES)

# What a program that was built with the last release relies on. A change that is meant is kept by `make abi`; one
# that takes something away, or gives it another shape, also needs the next soname.
ABI := tests/abi/libsiphon.abi

# Both sides go through abidw, which leaves out what siphon.h does not show: abidiff on a library does not.
$(BUILD)/libsiphon.abi: $(LIBRARY)
	$(call show,ABI)
	$(Q)abidw --no-show-locs --drop-private-types --exported-interfaces-only --header-file core/include/siphon.h \
	  --no-corpus-path --no-comp-dir-path --no-elf-needed --out-file $@ $<

lint-abi: $(BUILD)/libsiphon.abi
	$(Q)abidiff $(ABI) $< || { echo "libsiphon's ABI is not that of $(ABI): see the Makefile" >&2; exit 1; }

abi: $(BUILD)/libsiphon.abi ## keep libsiphon's ABI as it is now
	cp $< $(ABI)

SHELL_FILES := docs/completion/siphon.bash .ci/run docs/pictures/make tests/run tests/deps tests/bench/run examples/demo examples/watch.sh tests/openstack/tempest tests/deb/run $(wildcard tests/testbed/testbed tests/support/*.sh)

# --- installing ----------------------------------------------------------------------------------------------

install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/siphon
	install -D -m 644 $(MODULE) $(DESTDIR)$(LUACDIR)/siphon/core.so
	install -m 644 $(READLINE) $(DESTDIR)$(LUACDIR)/siphon/readline.so
	cd lua && find . -name '*.lua' -exec install -D -m 644 {} $(abspath $(DESTDIR)$(LUADIR))/{} \;
	install -D -m 644 core/include/siphon.h $(DESTDIR)$(PREFIX)/include/siphon.h
	install -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)/$(LIB_FILE)
	ln -sf $(LIB_FILE) $(DESTDIR)$(LIBDIR)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libsiphon.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' core/lib/siphon.pc.in \
	  >$(DESTDIR)$(LIBDIR)/pkgconfig/siphon.pc
	install -d $(DESTDIR)$(DATADIR)/policies $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7
	install -m 644 policies/*.lua $(DESTDIR)$(DATADIR)/policies
	install -D -m 644 docs/completion/siphon.bash $(DESTDIR)$(SHAREDIR)/bash-completion/completions/siphon
	install -D -m 644 docs/completion/_siphon $(DESTDIR)$(SHAREDIR)/zsh/$(ZSH_SITE)/_siphon
	install -D -m 644 docs/completion/siphon.fish $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d/siphon.fish
	install -m 644 docs/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 644 docs/*.3 $(BUILD)/man/*.3 $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(BUILD)/man/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 $(BUILD)/events.schema.json $(DESTDIR)$(DATADIR)/events.schema.json
	install -m 644 $(REFERENCE) $(DESTDIR)$(LUADIR)/siphon/reference.lua
	install -D -m 644 $(BUILD)/meta/siphon.lua $(DESTDIR)$(DATADIR)/meta/siphon.lua
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' examples/systemd/siphon-worker.service.in \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/siphon-worker.service

# debian/ lies in .ci, with what else builds and ships siphon: the place where dpkg wants it is Debian's own to fill.
# The tree that is built is a copy, named as dpkg names it.
DEB := $(BUILD)/deb
deb: ## Debian packages, in build/deb
	rm -rf $(DEB) && mkdir -p $(DEB)/siphon-$(VERSION)
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)/siphon-$(VERSION)
	mv $(DEB)/siphon-$(VERSION)/.ci/debian $(DEB)/siphon-$(VERSION)/debian
	cd $(DEB)/siphon-$(VERSION) && DEB_BUILD_OPTIONS='noautodbgsym terse' dpkg-buildpackage -b -us -uc -rfakeroot
	rm -rf $(DEB)/siphon-$(VERSION)

check-deb: ## the packages: lintian, and what they can do in a clean system
	tests/deb/run

clean: ## remove what was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: all deps check bench examples test-programs specs check-unit check-asan check-tsan check-valgrind \
        check-openstack faults demo pictures lint lint-c lint-lua lint-sh lint-abi lint-docs abi install deb check-deb clean help
.DELETE_ON_ERROR:
