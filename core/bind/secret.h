/* siphon.Secret: a password or a token that Lua can hand around but not show by accident.
 *
 * The bytes lie in the userdata and are wiped when it is collected. (The Lua string that a secret was made
 * from is Lua's own and lives until it is collected; a secret made by C, from a response's header, never was
 * one.) */
#ifndef SPH_BIND_SECRET_H
#define SPH_BIND_SECRET_H

#include "engine/error.h"

#include <lua.h>

#include <stddef.h>

SPH_LJMP void sph_secret_push(lua_State *L, const char *bytes, size_t length);
/* The bytes of the secret at idx, NUL-terminated, valid as long as it is; NULL when the value is something
 * else. */
SPH_LJMP const char *sph_secret_test(lua_State *L, int idx, size_t *length);

#endif
