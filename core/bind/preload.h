/* How a state of libsiphon's gets siphon. */
#ifndef SPH_PRELOAD_H
#define SPH_PRELOAD_H

#include "engine/error.h"

#include <lua.h>

/* `require` finds siphon's modules in the directory, before all others, and takes siphon.core from this library. */
SPH_LJMP void sph_preload(lua_State *L, const char *directory);

#endif
