/* The `siphon` command: makes an engine, runs lua/siphon/cli in its main task.
 *
 * The first interrupt cancels that task, so that a job undoes what it did; the second says that this is going
 * on; the third gives up and leaves things as they are. Where Lua has asked for Ctrl-C, as the REPL does, it is
 * Lua's, however often it comes. */
#include "bind/preload.h"

#include "engine/engine.h"
#include "engine/task.h"

#include <lauxlib.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#ifndef SIPHON_LUACDIR
#define SIPHON_LUACDIR "/usr/local/lib/lua/5.4"
#endif

#define EXIT_INTERRUPTED 130
#define MEMORY_LIMIT ((size_t)512 << 20)

static sph_engine *engine;
static volatile sig_atomic_t interrupts;

static void say(const char *text) {
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void on_interrupt(int number) {
    if (number == SIGINT && sph_engine_ask(engine))
        return;
    if (number ==
        SIGHUP) { /* comes more than once when a terminal is closed, and nobody insists on anything */
        sph_engine_interrupt(engine);
        return;
    }
    switch (++interrupts) {
    case 1:
        sph_engine_interrupt(engine);
        break;
    case 2:
        say("\nsiphon: undoing what was done; interrupt once more to leave it as it is\n");
        break;
    default:
        _exit(EXIT_INTERRUPTED);
    }
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away must not kill a job half-way */
}

/* package[field] = what of siphon's comes before, what is there */
static void prepend(lua_State *L, const char *field, const char *ours) {
    lua_getglobal(L, "package");
    lua_pushstring(L, ours);
    lua_getfield(L, -2, field);
    lua_concat(L, 2);
    lua_setfield(L, -2, field);
    lua_pop(L, 1);
}

/* What the build makes besides the program: beside it in the tree, among the others where it was installed. */
static void add_built(lua_State *L, char self[PATH_MAX], const char *directory) {
    char *slash = strrchr(self, '/');
    size_t tree = strlen(directory) - strlen("lua");
    if (slash && strncmp(self, directory, tree) == 0) {
        *slash = '\0';
        prepend(L, "path", lua_pushfstring(L, "%s/lua/?.lua;", self));
        prepend(L, "cpath", lua_pushfstring(L, "%s/lib/?.so;", self));
    } else {
        prepend(L, "cpath", SIPHON_LUACDIR "/?.so;");
    }
}

/* (argc, argv) -> the main task's function and its argument */
static int l_prepare(lua_State *L) {
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    char self[PATH_MAX] = "", directory[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)n; /* without it, it is the installed files */
    sph_lua_directory(self, directory);
    sph_preload(L, directory);
    add_built(L, self, directory);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "siphon.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    return 2;
}

static int l_main(lua_State *L) {
    l_prepare(L);
    sph_task *task = sph_task_new(L, 2, true);
    task->main = true;
    return sph_task_join(L, task);
}

/* (error) -> exit code: what the command line itself did not report. */
static int l_report(lua_State *L) {
    lua_Integer code = EX_SOFTWARE;
    if (lua_istable(L, 1) && lua_getfield(L, 1, "code") == LUA_TSTRING &&
        strcmp(lua_tostring(L, -1), "cancelled") == 0)
        code = EXIT_INTERRUPTED;
    else
        fprintf(stderr, "siphon: %s\n", luaL_tolstring(L, 1, NULL));
    if (code == EX_SOFTWARE && lua_istable(L, 1) && lua_getfield(L, 1, "traceback") == LUA_TSTRING)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_pushinteger(L, code);
    return 1;
}

int main(int argc, char **argv) {
    prctl(PR_SET_DUMPABLE, 0); /* no core files: passwords and tokens would be in them */
    engine = sph_engine_new(&(sph_engine_options){.memory_limit = MEMORY_LIMIT, .interruptible = true});
    if (!engine) {
        say("siphon: out of memory\n");
        return EX_OSERR;
    }
    catch_signals();
    lua_State *L = sph_engine_lua(engine);
    lua_pushcfunction(L, l_main);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int code = EX_SOFTWARE;
    bool ran = lua_pcall(L, 2, 1, 0) == LUA_OK;
    if (!ran) {
        lua_pushcfunction(L, l_report);
        lua_insert(L, -2);
        ran = lua_pcall(L, 1, 1, 0) == LUA_OK;
    }
    if (ran)
        code = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : EXIT_SUCCESS;
    sph_engine_free(engine);
    return code;
}
