#include "bind/options.h"

#include <lauxlib.h>

#include <stdarg.h>
#include <string.h>

/* Edit distance of two short names, of which the second is at most MAX_NAME long. */
#define MAX_NAME 40
static unsigned distance(const char *a, const char *b) {
    unsigned row[MAX_NAME + 1];
    size_t n = strlen(b);
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned above = row[j], best = diagonal + (*a != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[n];
}

static bool is_table(lua_State *L, int idx) {
    if (lua_isnoneornil(L, idx))
        return false;
    luaL_checktype(L, idx, LUA_TTABLE);
    return true;
}

void sph_options_check(lua_State *L, int idx, ...) {
    if (!is_table(L, idx))
        return;
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, idx, "options are named fields");
        const char *key = lua_tostring(L, -1), *name, *nearest = NULL;
        unsigned least = 3;
        bool known = false;
        va_list names;
        va_start(names, idx);
        while (!known && (name = va_arg(names, const char *))) {
            known = strcmp(name, key) == 0;
            unsigned d = strlen(name) > MAX_NAME || strlen(key) > MAX_NAME ? least : distance(key, name);
            if (d < least) {
                least = d;
                nearest = name;
            }
        }
        va_end(names);
        if (!known)
            luaL_argerror(
                L, idx,
                nearest ? lua_pushfstring(L, "there is no option '%s'; did you mean '%s'?", key, nearest)
                        : lua_pushfstring(L, "there is no option '%s'", key));
    }
}

int sph_option_push(lua_State *L, int idx, const char *key) {
    if (is_table(L, idx))
        return lua_getfield(L, idx, key);
    lua_pushnil(L);
    return LUA_TNIL;
}

static int wrong(lua_State *L, int idx, const char *key, const char *expected) {
    return luaL_argerror(
        L, idx, lua_pushfstring(L, "option '%s' must be %s, not %s", key, expected, luaL_typename(L, -1)));
}

const char *sph_option_string(lua_State *L, int idx, const char *key, const char *otherwise) {
    int type = sph_option_push(L, idx, key);
    const char *s = otherwise;
    if (type != LUA_TNIL) {
        if (type != LUA_TSTRING)
            wrong(L, idx, key, "a string");
        size_t length;
        s = lua_tolstring(L, -1, &length);
        if (strlen(s) != length)
            luaL_argerror(L, idx, lua_pushfstring(L, "option '%s' contains a zero byte", key));
    }
    lua_pop(L, 1);
    return s;
}

int64_t sph_option_integer(lua_State *L, int idx, const char *key, int64_t otherwise) {
    int64_t value = otherwise;
    if (sph_option_push(L, idx, key) != LUA_TNIL) {
        int ok;
        value = lua_tointegerx(L, -1, &ok);
        if (!ok || lua_type(L, -1) != LUA_TNUMBER)
            wrong(L, idx, key, "an integer");
    }
    lua_pop(L, 1);
    return value;
}

uint64_t sph_option_size(lua_State *L, int idx, const char *key, uint64_t otherwise) {
    int64_t value = sph_option_integer(L, idx, key, -1);
    if (value >= 0)
        return (uint64_t)value;
    if (sph_option_push(L, idx, key) != LUA_TNIL)
        luaL_argerror(L, idx, lua_pushfstring(L, "option '%s' must not be negative", key));
    lua_pop(L, 1);
    return otherwise;
}

double sph_option_number(lua_State *L, int idx, const char *key, double otherwise) {
    double value = otherwise;
    if (sph_option_push(L, idx, key) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            wrong(L, idx, key, "a number");
        value = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return value;
}

bool sph_option_boolean(lua_State *L, int idx, const char *key, bool otherwise) {
    bool value = otherwise;
    if (sph_option_push(L, idx, key) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TBOOLEAN)
            wrong(L, idx, key, "true or false");
        value = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    return value;
}

const char *sph_option_copy(lua_State *L, sph_op *op, int idx, const char *key) {
    const char *s = sph_option_string(L, idx, key, NULL);
    if (!s)
        return NULL;
    sph_option_push(L, idx, key);
    s = sph_op_string(L, op, -1);
    lua_pop(L, 1);
    return s;
}
