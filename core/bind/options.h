/* Argument tables: `{name = value}` with named fields, read strictly.
 *
 * Strings stay valid as long as the table holds them; an operation that needs them longer copies them
 * (sph_option_copy). Everything here may raise. */
#ifndef SPH_OPTIONS_H
#define SPH_OPTIONS_H

#include "engine/op.h"

#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

/* The value at idx is nil, none, or a table that has only the keys that follow (NULL ends them). A key that
 * is none of them raises and names the nearest. */
SPH_LJMP void sph_options_check(lua_State *L, int idx, ...) __attribute__((sentinel));

/* The field, or the default when it is nil (or when there is no table); raises when it has another type. */
SPH_LJMP const char *sph_option_string(lua_State *L, int idx, const char *key, const char *otherwise);
SPH_LJMP int64_t sph_option_integer(lua_State *L, int idx, const char *key, int64_t otherwise);
SPH_LJMP double sph_option_number(lua_State *L, int idx, const char *key, double otherwise);
SPH_LJMP bool sph_option_boolean(lua_State *L, int idx, const char *key, bool otherwise);
/* An integer of 0 or more: a size, a count. */
SPH_LJMP uint64_t sph_option_size(lua_State *L, int idx, const char *key, uint64_t otherwise);
/* A copy that lives as long as the operation; NULL when the field is nil. */
SPH_LJMP const char *sph_option_copy(lua_State *L, sph_op *op, int idx, const char *key);
/* Pushes the field (or nil) and returns its type. */
SPH_LJMP int sph_option_push(lua_State *L, int idx, const char *key);

#endif
