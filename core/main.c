/* The `siphon` program: Lua, and lua/siphon/cli in it.
 *
 * It is not linked with what siphon is built on. The module core.so, the same that stock Lua loads, comes in when
 * something first requires siphon.core or siphon.command; --version and --help never do. */
#include "bind/directory.h"
#include "siphon.h"

#include <lauxlib.h>
#include <lualib.h>

#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
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
#define MEMORY_LIMIT ((size_t)512 << 20) /* of the Lua state */

/* librbd holds the object map of what it opens at a snapshot, 6.5 MB for 100 TiB, and several times that while it
 * reads it. Left alone, glibc keeps such blocks once the first was freed; so large ones go back at once. */
#define LARGE_BLOCK (256 << 10)

static bool badly_installed;

/* --- the Lua state -------------------------------------------------------------------------------------- */

static void *allocate(void *context, void *p, size_t old, size_t size) {
    size_t *used = context;
    if (!p)
        old = 0;
    if (size == 0) {
        *used -= old;
        free(p);
        return NULL;
    }
    if (size > old && *used + (size - old) > MEMORY_LIMIT)
        return NULL;
    void *q = realloc(p, size);
    if (q)
        *used = *used - old + size;
    return q;
}

/* As lua.c's, but on from the start: a leaked handle should not pass in silence. It comes in pieces. */
static void warn(void *context, const char *text, int more) {
    static bool off, goes_on;
    (void)context;
    bool control = !goes_on && !more && *text == '@';
    if (control)
        off = strcmp(text, "@off") == 0 || (off && strcmp(text, "@on") != 0);
    else if (!off)
        fprintf(stderr, "%s%s%s", goes_on ? "" : "siphon: warning: ", text, more ? "" : "\n");
    goes_on = more;
}

/* --- finding the other half ----------------------------------------------------------------------------- */

/* package[field] = what of siphon's comes before, what is there */
static void prepend(lua_State *L, const char *field, const char *ours) {
    lua_getglobal(L, "package");
    lua_pushstring(L, ours);
    lua_getfield(L, -2, field);
    lua_concat(L, 2);
    lua_setfield(L, -2, field);
    lua_pop(L, 1);
}

/* In the tree, what the build makes is beside the program; where it was installed, among other people's modules. */
static void set_paths(lua_State *L) {
    char self[PATH_MAX] = "", directory[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)n; /* without it, it is the installed files */
    sph_lua_directory(self, directory);
    prepend(L, "path", lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", directory, directory));
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

/* Pushes the function of core.so, and where that was found. */
static const char *load_module(lua_State *L, const char *function) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushliteral(L, "siphon.core");
    lua_getfield(L, -3, "cpath");
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        luaL_error(L, "the module siphon/core.so is not installed: %s",
                   luaL_gsub(L, lua_tostring(L, -1), "\n\t", ", "));
    lua_pop(L, 1);
    lua_getfield(L, -2, "loadlib");
    lua_pushvalue(L, -2);
    lua_pushstring(L, function);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        luaL_error(L, "%s cannot be loaded: %s", lua_tostring(L, -3), lua_tostring(L, -1));
    lua_pop(L, 1);
    return lua_tostring(L, -2);
}

/* What `require` calls for siphon.core. The program and the module are one piece of software in two files: from two
 * releases they do not fit together. */
static int l_load_core(lua_State *L) {
    badly_installed = true;
    const char *path = load_module(L, "luaopen_siphon_core");
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "version");
    const char *version = lua_isstring(L, -1) ? lua_tostring(L, -1) : "unknown";
    if (strcmp(version, SIPHON_VERSION) != 0)
        return luaL_error(L, "%s is of version %s and this program of version %s: install both anew", path,
                          version, SIPHON_VERSION);
    badly_installed = false;
    lua_pop(L, 1);
    return 1;
}

/* The same for siphon.command, which is in core.so too. */
static int l_load_command(lua_State *L) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "siphon.core");
    lua_call(L, 1, 0);
    load_module(L, "luaopen_siphon_command");
    lua_call(L, 0, 1);
    return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction load) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, load);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* --- the command ---------------------------------------------------------------------------------------- */

/* (argc, argv) -> exit code */
static int l_main(lua_State *L) {
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    lua_settop(L, 0);
    luaL_openlibs(L);
    set_paths(L);
    preload(L, "siphon.core", l_load_core);
    preload(L, "siphon.command", l_load_command);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "siphon.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "start");
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_pushliteral(L, SIPHON_VERSION);
    lua_call(L, 2, 1);
    return 1;
}

/* (error) -> exit code: what the command line itself did not report. */
static int l_report(lua_State *L) {
    lua_Integer code = badly_installed ? EX_CONFIG : EX_SOFTWARE;
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
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    size_t used = 0;
    lua_State *L = lua_newstate(allocate, &used);
    if (!L) {
        fputs("siphon: out of memory\n", stderr);
        return EX_OSERR;
    }
    lua_setwarnf(L, warn, NULL);
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
    lua_close(L);
    return code;
}
