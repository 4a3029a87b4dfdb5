#ifndef SPH_PROBE_H
#define SPH_PROBE_H

#include <lua.h>

int sph_open_probe(lua_State *L);

#endif
