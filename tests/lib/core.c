/* siphon.core without Ceph and HTTP: enough for the embedding API's own tests. */
#include "bind/bind.h"
#include "engine/engine.h"
#include "siphon.h"

#include <lauxlib.h>

int luaopen_siphon_core(lua_State *L) {
    lua_newtable(L);
    sph_error_open(L);
    lua_setfield(L, -2, "error");
    sph_open_task(L);
    lua_setfield(L, -2, "task");
    sph_open_system(L);
    lua_setfield(L, -2, "system");
    lua_pushliteral(L, SIPHON_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
