/* siphon.core.glance: the authenticated call. What is called, and what an answer means, is
 * lua/siphon/glance.lua.
 *
 * A session knows where Glance is and how to trust it, not who asks: the tokens come with each call, so that
 * they can be renewed, and go from their Secrets into the request without being Lua strings. */
#include "bind/http.h"

#include "bind/bind.h"
#include "bind/options.h"

#include "engine/memory.h"
#include "glance/endpoint.h"

#include <lauxlib.h>

#include <string.h>

#define METATABLE "siphon.glance.Session"

typedef struct {
    char *endpoint;
    char *ca_file, *cert_file, *key_file, *proxy;
    bool insecure;
    sph_error *error; /* kept here while it is pushed, which may raise */
} session;

static session *check_session(lua_State *L) {
    return luaL_checkudata(L, 1, METATABLE);
}

static int l_session_gc(lua_State *L) {
    session *s = lua_touserdata(L, 1);
    sph_free(s->endpoint);
    sph_free(s->ca_file);
    sph_free(s->cert_file);
    sph_free(s->key_file);
    sph_free(s->proxy);
    sph_error_free(s->error);
    memset(s, 0, sizeof *s);
    return 0;
}

static int l_session_tostring(lua_State *L) {
    lua_pushfstring(L, METATABLE " %s", check_session(L)->endpoint);
    return 1;
}

static char *keep_option(lua_State *L, const char *key) {
    const char *value = sph_option_string(L, 1, key, NULL);
    char *kept = sph_strdup(value);
    if (value && !kept)
        luaL_error(L, "not enough memory");
    return kept;
}

/*** glance.session{endpoint=, ca_file=, cert_file=, key_file=, insecure=, proxy=} -> Session | nil, err
 * Does not connect. endpoint: as the catalog has it, with or without /v2 at its end. The others: as
 * http.request has them, for every call. Error "glance.endpoint": it is no URL. */
static int l_glance_session(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    sph_options_check(L, 1, "endpoint", "ca_file", "cert_file", "key_file", "insecure", "proxy", NULL);
    const char *endpoint = sph_option_string(L, 1, "endpoint", NULL), *why;
    luaL_argcheck(L, endpoint, 1, "option 'endpoint' is missing");
    session *s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    luaL_setmetatable(L, METATABLE);
    s->endpoint = sph_glance_endpoint(endpoint, &why);
    if (!s->endpoint && !why)
        return luaL_error(L, "not enough memory");
    if (!s->endpoint) {
        s->error =
            sph_error_new("glance.endpoint", "glance.connect", "'%s' is no endpoint: %s", endpoint, why);
        lua_pushnil(L);
        sph_error_push(L, s->error);
        return 2;
    }
    s->ca_file = keep_option(L, "ca_file");
    s->cert_file = keep_option(L, "cert_file");
    s->key_file = keep_option(L, "key_file");
    s->proxy = keep_option(L, "proxy");
    s->insecure = sph_option_boolean(L, 1, "insecure", false);
    return 1;
}

static void add_token(lua_State *L, sph_transfer *t, const char *option, const char *header) {
    if (sph_option_push(L, 2, option) != LUA_TNIL)
        sph_http_header_from(L, t, header, -1);
    lua_pop(L, 1);
}

/* The call may outlive the session. */
static const char *copy(lua_State *L, sph_transfer *t, const char *s) {
    return s ? memcpy(sph_op_bytes(L, &t->op, strlen(s) + 1), s, strlen(s)) : NULL;
}

/*** session:call{path=, token=, service_token=, ...} -> response | nil, err
 * http.request beneath the endpoint, with X-Auth-Token and X-Service-Token (each a Secret or a string, or
 * nil); the other options, the response and the errors are http.request's. path: "/v2/images/...",
 * percent-encoded. */
static int l_session_call(lua_State *L) {
    static const sph_op_type type = {.name = "glance.call",
                                     .start = sph_transfer_start,
                                     .push = sph_http_push,
                                     .cancel = sph_transfer_cancel,
                                     .release = sph_transfer_release};
    session *s = check_session(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    sph_options_check(L, 2, "path", "token", "service_token", SPH_HTTP_OPTIONS, NULL);
    const char *path = sph_option_string(L, 2, "path", NULL), *bad;
    luaL_argcheck(L, path, 2, "option 'path' is missing");
    if ((bad = sph_glance_bad_path(path)))
        luaL_argerror(L, 2, lua_pushfstring(L, "option 'path': %s", bad));
    sph_transfer *t = sph_http_new(L, &type, 2);
    sph_http_request *r = &t->request;
    size_t size = strlen(s->endpoint) + strlen(path) + 1;
    char *url = sph_op_bytes(L, &t->op, size);
    sph_glance_url(url, size, s->endpoint, path);
    r->url = url;
    if (!r->ca_file)
        r->ca_file = copy(L, t, s->ca_file);
    if (!r->cert_file)
        r->cert_file = copy(L, t, s->cert_file);
    if (!r->key_file)
        r->key_file = copy(L, t, s->key_file);
    if (!r->proxy)
        r->proxy = copy(L, t, s->proxy);
    r->insecure = r->insecure || s->insecure;
    add_token(L, t, "token", "X-Auth-Token");
    add_token(L, t, "service_token", "X-Service-Token");
    return sph_http_await(L, t);
}

/* Fields: endpoint. */
static int l_session_index(lua_State *L) {
    const session *s = check_session(L);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "endpoint") == 0)
        lua_pushstring(L, s->endpoint);
    else if (strcmp(key, "call") == 0)
        lua_pushcfunction(L, l_session_call);
    else
        lua_pushnil(L);
    return 1;
}

int sph_open_glance(lua_State *L) {
    static const luaL_Reg metamethods[] = {{"__gc", l_session_gc},
                                           {"__tostring", l_session_tostring},
                                           {"__index", l_session_index},
                                           {NULL, NULL}};
    static const luaL_Reg functions[] = {{"session", l_glance_session}, {NULL, NULL}};
    luaL_newmetatable(L, METATABLE);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushliteral(L, METATABLE); /* what getmetatable sees: finalizers are not for Lua to call */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
