#include "bind/secret.h"

#include "bind/bind.h"

#include <lauxlib.h>

#include <string.h>

#define METATABLE "siphon.Secret"

typedef struct {
    size_t length;
    char bytes[];
} secret;

void sph_secret_push(lua_State *L, const char *bytes, size_t length) {
    secret *s = lua_newuserdatauv(L, sizeof *s + length + 1, 0);
    s->length = length;
    memcpy(s->bytes, bytes, length);
    s->bytes[length] = '\0';
    luaL_setmetatable(L, METATABLE);
}

const char *sph_secret_test(lua_State *L, int idx, size_t *length) {
    const secret *s = luaL_testudata(L, idx, METATABLE);
    if (!s)
        return NULL;
    if (length)
        *length = s->length;
    return s->bytes;
}

static int l_secret_gc(lua_State *L) {
    secret *s = lua_touserdata(L, 1);
    explicit_bzero(s->bytes, s->length);
    s->length = 0;
    return 0;
}

static int l_secret_tostring(lua_State *L) {
    lua_pushliteral(L, "<secret>");
    return 1;
}

/*** secret:reveal() -> string
 * The bytes themselves, for a protocol that must write them into a body of its own (Keystone's password).
 * Whatever takes a Secret as it is, like a header's value, should be given that. */
static int l_secret_reveal(lua_State *L) {
    const secret *s = luaL_checkudata(L, 1, METATABLE);
    lua_pushlstring(L, s->bytes, s->length);
    return 1;
}

/*** siphon.secret(text) -> Secret
 * Wraps a password or token. A Secret prints as "<secret>", is equal only to itself, can be neither
 * concatenated nor written as JSON, and is wiped from memory when it is collected. A Secret given as `text`
 * is handed back. */
static int l_secret(lua_State *L) {
    size_t length;
    if (sph_secret_test(L, 1, NULL)) {
        lua_settop(L, 1);
        return 1;
    }
    const char *text = luaL_checklstring(L, 1, &length);
    sph_secret_push(L, text, length);
    return 1;
}

int sph_open_secret(lua_State *L) {
    static const luaL_Reg methods[] = {{"reveal", l_secret_reveal}, {NULL, NULL}};
    luaL_newmetatable(L, METATABLE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_secret_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, l_secret_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, METATABLE); /* what getmetatable sees: finalizers are not for Lua to call */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_secret);
    return 1;
}
