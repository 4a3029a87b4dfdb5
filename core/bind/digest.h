/* Hashes of what is read, for the bindings that read.
 *
 * Thread: the loop thread. */
#ifndef SPH_BIND_DIGEST_H
#define SPH_BIND_DIGEST_H

#include "ceph/digest.h"
#include "engine/error.h"

#include <lua.h>

/* A digest by the name at idx, "sha256" or "sha512"; raises on anything else. */
SPH_LJMP sph_digest *sph_check_digest(lua_State *L, int idx);
/* A digest by the field `key` of the options at idx; NULL when that is nil. */
SPH_LJMP sph_digest *sph_option_digest(lua_State *L, int idx, const char *key);
/* Pushes {algorithm=, value=, checksum=}: the algorithm's hash and the MD5, in hexadecimal. */
SPH_LJMP void sph_digest_push(lua_State *L, const sph_digest *digest);

#endif
