/* Where the Lua half of siphon is, and how a state of ours gets it: for the command and for libsiphon. */
#ifndef SPH_PRELOAD_H
#define SPH_PRELOAD_H

#include "engine/error.h"

#include <limits.h>
#include <lua.h>

/* The tree's own lua/ when `binary` lies in its build/ (or deeper: a library, a sanitized build), else where `make
 * install` put it. */
void sph_lua_directory(const char *binary, char directory[PATH_MAX]);

/* `require` finds siphon's modules in the directory, before all others, and takes siphon.core from this program. */
SPH_LJMP void sph_preload(lua_State *L, const char *directory);

#endif
