#include "bind/preload.h"

#include "bind/bind.h"

#include <lauxlib.h>

void sph_preload(lua_State *L, const char *directory) {
    luaL_requiref(L, "siphon.core", luaopen_siphon_core, 0); /* at once: the first task wants its class */
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", directory, directory, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 3);
}
