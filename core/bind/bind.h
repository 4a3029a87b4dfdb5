/* The Lua faces: each sph_open_ function leaves its module's table (or constructor) on the stack. */
#ifndef SPH_BIND_H
#define SPH_BIND_H

#include "engine/error.h"

#include <lua.h>

SPH_LJMP int sph_open_task(lua_State *L);
SPH_LJMP void sph_open_semaphore(lua_State *L);
SPH_LJMP int sph_open_system(lua_State *L);
SPH_LJMP int sph_open_process(lua_State *L);
SPH_LJMP int sph_open_input(lua_State *L);
SPH_LJMP int sph_open_secret(lua_State *L);
SPH_LJMP int sph_open_rados(lua_State *L);
SPH_LJMP int sph_open_rbd(lua_State *L);
SPH_LJMP int sph_open_http(lua_State *L);
SPH_LJMP int sph_open_glance(lua_State *L);

/* `require "siphon.core"` */
SPH_LJMP int luaopen_siphon_core(lua_State *L);

#endif
