/* Hashes of what is read, for the bindings that read. */
#include "bind/digest.h"

#include "bind/options.h"

#include <lauxlib.h>

#include <string.h>

sph_digest *sph_check_digest(lua_State *L, int idx) {
    const char *given = luaL_checkstring(L, idx);
    for (const char *const *name = sph_digest_algorithms; *name; name++) {
        if (strcmp(given, *name) != 0)
            continue;
        sph_digest *digest = sph_digest_new(*name);
        if (!digest)
            luaL_error(L, "no hash %s: out of memory, or this libcrypto does not have it", given);
        return digest;
    }
    luaL_argerror(L, idx, lua_pushfstring(L, "\"sha256\" or \"sha512\" expected, got \"%s\"", given));
    return NULL;
}

sph_digest *sph_option_digest(lua_State *L, int idx, const char *key) {
    sph_digest *digest = NULL;
    if (sph_option_push(L, idx, key) != LUA_TNIL)
        digest = sph_check_digest(L, lua_gettop(L));
    lua_pop(L, 1);
    return digest;
}

void sph_digest_push(lua_State *L, const sph_digest *digest) {
    char checksum[SPH_DIGEST_HEX], value[SPH_DIGEST_HEX];
    sph_digest_read(digest, checksum, value);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, digest->algorithm);
    lua_setfield(L, -2, "algorithm");
    lua_pushstring(L, value);
    lua_setfield(L, -2, "value");
    lua_pushstring(L, checksum);
    lua_setfield(L, -2, "checksum");
}
