/* siphon.core: what the C core offers to Lua, as one module. In a stock Lua it also brings the engine; in the
 * siphon command and in libsiphon the engine is there before. */
#include "bind/bind.h"

#include "engine/engine.h"
#include "siphon.h"

#include <lauxlib.h>

__attribute__((visibility("default"))) int luaopen_siphon_core(lua_State *L) {
    sph_engine_attach(L);
    lua_newtable(L);
    sph_error_open(L);
    lua_setfield(L, -2, "error");
    static const struct {
        const char *name;
        int (*open)(lua_State *L);
    } modules[] = {
        {"task", sph_open_task},     {"system", sph_open_system},   {"secret", sph_open_secret},
        {"rados", sph_open_rados},   {"rbd", sph_open_rbd},         {"http", sph_open_http},
        {"glance", sph_open_glance}, {"process", sph_open_process}, {"input", sph_open_input},
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        modules[i].open(L);
        lua_setfield(L, -2, modules[i].name);
    }
    lua_pushliteral(L, SIPHON_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
