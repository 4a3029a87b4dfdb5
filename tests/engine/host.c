/* The host of the engine's specs: an engine with tasks and probes, and nothing of Ceph or HTTP.
 *
 *   host SCRIPT [ARG...]     runs a Lua script outside of tasks (a test runner)
 *   host --memory SCRIPT     runs it over and over, the N-th allocation failing in run N, until a run needs
 * fewer than N: no run may abort, and none may leave a block behind */
#include "bind/bind.h"
#include "engine/engine.h"
#include "engine/task.h"
#include "probe.h"

#include <lauxlib.h>

#include <stdio.h>
#include <string.h>

static int l_task_new_main(lua_State *L) {
    sph_task_new(L, lua_gettop(L), true)->main = true;
    return 1;
}

static int l_open(lua_State *L) {
    sph_error_open(L);
    lua_setglobal(L, "new_error");
    sph_open_task(L);
    lua_pushcfunction(L, l_task_new_main);
    lua_setfield(L, -2, "spawn_main");
    lua_setglobal(L, "task");
    sph_open_probe(L);
    lua_setglobal(L, "probe");
    return 0;
}

/* (script, argv or NULL) */
static int l_run(lua_State *L) {
    const char *script = lua_touserdata(L, 1);
    char **argv = lua_touserdata(L, 2);
    lua_pushcfunction(L, l_open);
    lua_call(L, 0, 0);
    lua_newtable(L);
    for (int i = 0; argv && argv[i]; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    if (luaL_loadfile(L, script) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

static int run(char *script, char **argv) {
    sph_engine *engine = sph_engine_new(&(sph_engine_options){.interruptible = true});
    if (!engine)
        return 1;
    lua_State *L = sph_engine_lua(engine);
    lua_pushcfunction(L, l_run);
    lua_pushlightuserdata(L, script);
    lua_pushlightuserdata(L, argv);
    int failed = lua_pcall(L, 2, 0, 0) != LUA_OK;
    if (failed && argv)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    sph_engine_free(engine);
    return failed;
}

static int sweep(char *script) {
    for (long n = 1;; n++) {
        long before = sph_memory_asked();
        sph_memory_fail_at(n, (int)(n % 2)); /* every other run stays out of memory from there on */
        int failed = run(script, NULL);
        sph_memory_fail_at(0, 0);
        long asked = sph_memory_asked() - before, live = sph_memory_live();
        if (live) {
            printf("allocation %ld failing left %ld blocks behind\n", n, live);
            return 1;
        }
        if (asked < n) {
            printf("%ld allocations, each failing once: %s\n", n - 1,
                   failed ? "and one run failed" : "none left behind");
            return failed;
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--memory") == 0)
        return sweep(argv[2]);
    if (argc < 2) {
        fprintf(stderr, "usage: host SCRIPT [ARG...] | host --memory SCRIPT\n");
        return 64;
    }
    return run(argv[1], argv + 1);
}
