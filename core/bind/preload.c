#include "bind/preload.h"

#include "bind/bind.h"

#include <lauxlib.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef SIPHON_LUADIR
#define SIPHON_LUADIR "/usr/local/share/lua/5.4"
#endif

#define DEPTH 4 /* build/asan/lib/libsiphon.so is that far below the tree */

void sph_lua_directory(const char *binary, char directory[PATH_MAX]) {
    char self[PATH_MAX], file[PATH_MAX + 32];
    snprintf(self, sizeof self, "%s", binary);
    for (int up = 1; up <= DEPTH; up++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            break;
        *slash = '\0';
        snprintf(file, sizeof file, "%s/lua/siphon/init.lua", self);
        if (up > 1 && access(file, R_OK) == 0) {
            snprintf(directory, PATH_MAX, "%.4000s/lua", self);
            return;
        }
    }
    snprintf(directory, PATH_MAX, "%s", SIPHON_LUADIR);
}

void sph_preload(lua_State *L, const char *directory) {
    luaL_requiref(L, "siphon.core", luaopen_siphon_core, 0); /* at once: the first task wants its class */
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", directory, directory, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 3);
}
