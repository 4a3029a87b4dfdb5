/* What the bindings that speak HTTP share. */
#ifndef SPH_BIND_HTTP_H
#define SPH_BIND_HTTP_H

#include "http/transfer.h"

#include <lua.h>

/* The options that every request has: all of http.request's but `url`. */
#define SPH_HTTP_OPTIONS                                                                                     \
    "method", "headers", "body", "sink", "timeout", "connect_timeout", "stall_timeout", "max_redirects",     \
        "max_body", "ca_file", "cert_file", "key_file", "insecure", "proxy", "secret_headers", "digest",     \
        "progress"

/* Makes the operation from the options at idx, already checked for unknown keys; its URL is not set yet. */
SPH_LJMP sph_transfer *sph_http_new(lua_State *L, const sph_op_type *type, int idx);
/* Adds a header whose value, a string or a Secret, is at idx; raises when it may not be sent. */
SPH_LJMP void sph_http_header_from(lua_State *L, sph_transfer *transfer, const char *name, int idx);
/* Starts it and waits. From here on its images stay open; before, a raise would leave them in use. */
SPH_LJMP int sph_http_await(lua_State *L, sph_transfer *transfer);
/* For sph_op_type: pushes the response. */
SPH_LJMP int sph_http_push(lua_State *L, sph_op *op);

#endif
