#include "engine/error.h"

#include "engine/memory.h"

#include <lauxlib.h>
#include <lua.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METATABLE "siphon.Error"

static const char *const where_names[SPH_WHERE_COUNT] = {"cluster",  "pool",   "namespace", "image",
                                                         "snapshot", "object", "image_id",  "url"};

/* What operators read; the C library's texts speak of files and terminals. */
static const struct {
    int number;
    const char *code, *text;
    bool retryable;
} errnos[] = {
    {EPERM, "EPERM", "permission denied", false},
    {ENOENT, "ENOENT", "no such thing", false},
    {EINTR, "EINTR", "interrupted", true},
    {EIO, "EIO", "input/output error", true},
    {EBADF, "EBADF", "not open", false},
    {EAGAIN, "EAGAIN", "try again", true},
    {ENOMEM, "ENOMEM", "out of memory", true},
    {EACCES, "EACCES", "access denied", false},
    {EBUSY, "EBUSY", "in use", true},
    {EEXIST, "EEXIST", "exists already", false},
    {EXDEV, "EXDEV", "not in the same place", false},
    {ENOTDIR, "ENOTDIR", "not a directory", false},
    {EISDIR, "EISDIR", "is a directory", false},
    {EINVAL, "EINVAL", "invalid argument", false},
    {EMFILE, "EMFILE", "too many open files", true},
    {EFBIG, "EFBIG", "too large", false},
    {ENOSPC, "ENOSPC", "no space left", false},
    {EROFS, "EROFS", "read-only", false},
    {EPIPE, "EPIPE", "broken pipe", false},
    {EDOM, "EDOM", "out of domain", false},
    {ERANGE, "ERANGE", "out of range", false},
    {ENAMETOOLONG, "ENAMETOOLONG", "name too long", false},
    {ENOSYS, "ENOSYS", "not implemented here", false},
    {ENOTEMPTY, "ENOTEMPTY", "not empty", false},
    {ENODATA, "ENODATA", "no data", false},
    {EOVERFLOW, "EOVERFLOW", "value too large", false},
    {EILSEQ, "EILSEQ", "checksum or byte sequence is wrong", false},
    {EOPNOTSUPP, "EOPNOTSUPP", "not supported", false},
    {EADDRINUSE, "EADDRINUSE", "address in use", true},
    {ENETUNREACH, "ENETUNREACH", "network unreachable", true},
    {ECONNRESET, "ECONNRESET", "connection reset", true},
    {ENOTCONN, "ENOTCONN", "not connected", true},
    {ESHUTDOWN, "ESHUTDOWN", "this client was fenced off (blocklisted)", false},
    {ETIMEDOUT, "ETIMEDOUT", "timed out", true},
    {ECONNREFUSED, "ECONNREFUSED", "connection refused", true},
    {EHOSTUNREACH, "EHOSTUNREACH", "host unreachable", true},
    {EALREADY, "EALREADY", "in progress already", true},
    {ESTALE, "ESTALE", "stale", true},
    {EDQUOT, "EDQUOT", "quota reached", false},
    {ECANCELED, "ECANCELED", "cancelled", false},
};

static sph_error out_of_memory = {.code = "ENOMEM",
                                  .op = "siphon",
                                  .message = (char[]){"out of memory"},
                                  .errnum = ENOMEM,
                                  .retryable = true};

const char *sph_errno_code(int errnum, char buffer[16]) {
    errnum = abs(errnum);
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (errnos[i].number == errnum)
            return errnos[i].code;
    snprintf(buffer, 16, "E%d", errnum);
    return buffer;
}

static SPH_PRINTF(1, 0) char *format(const char *fmt, va_list args, const char *tail) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        return NULL;
    size_t length = (size_t)n, size = length + (tail ? strlen(tail) + 2 : 0) + 1;
    char *text = sph_alloc(size);
    if (!text)
        return NULL;
    vsnprintf(text, size, fmt, args);
    if (tail)
        snprintf(text + length, size - length, "%s%s", n ? ": " : "", tail);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    return text;
}

static sph_error *make(const char *code, const char *op, char *message) {
    sph_error *e = message ? sph_alloc(sizeof *e) : NULL;
    if (!e) {
        sph_free(message);
        return &out_of_memory;
    }
    snprintf(e->code, sizeof e->code, "%s", code);
    snprintf(e->op, sizeof e->op, "%s", op ? op : "");
    e->message = message;
    return e;
}

sph_error *sph_error_new(const char *code, const char *op, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *message = format(fmt, args, NULL);
    va_end(args);
    return make(code, op, message);
}

sph_error *sph_error_errno(int errnum, const char *op, const char *fmt, ...) {
    char code[16];
    const char *text = NULL;
    bool retryable = false;
    errnum = abs(errnum);
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (errnos[i].number == errnum) {
            text = errnos[i].text;
            retryable = errnos[i].retryable;
        }
    va_list args;
    va_start(args, fmt);
    char *message = format(fmt, args, text ? text : sph_errno_code(errnum, code));
    va_end(args);
    sph_error *e = make(sph_errno_code(errnum, code), op, message);
    if (e != &out_of_memory) {
        e->errnum = errnum;
        e->retryable = retryable;
    }
    return e;
}

sph_error *sph_error_where(sph_error *e, sph_where key, const char *value) {
    if (e != &out_of_memory && value && *value) {
        sph_free(e->where[key]);
        e->where[key] = sph_strdup(value);
    }
    return e;
}

sph_error *sph_error_caused_by(sph_error *e, sph_error *cause) {
    if (e == &out_of_memory) {
        sph_error_free(cause);
        return e;
    }
    sph_error_free(e->cause);
    e->cause = cause;
    return e;
}

void sph_error_free(sph_error *e) {
    while (e && e != &out_of_memory) {
        sph_error *cause = e->cause;
        for (int i = 0; i < SPH_WHERE_COUNT; i++)
            sph_free(e->where[i]);
        sph_free(e->message);
        sph_free(e);
        e = cause;
    }
}

/* --- the Lua form --------------------------------------------------------------------------------------- */

void sph_error_push(lua_State *L, const sph_error *e) {
    luaL_checkstack(L, 6, NULL);
    lua_createtable(L, 0, 9);
    lua_pushstring(L, e->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, e->op);
    lua_setfield(L, -2, "op");
    lua_pushstring(L, e->message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, e->retryable);
    lua_setfield(L, -2, "retryable");
    if (e->errnum) {
        lua_pushinteger(L, e->errnum);
        lua_setfield(L, -2, "errno");
    }
    lua_newtable(L);
    for (int i = 0; i < SPH_WHERE_COUNT; i++)
        if (e->where[i]) {
            lua_pushstring(L, e->where[i]);
            lua_setfield(L, -2, where_names[i]);
        }
    lua_setfield(L, -2, "where");
    if (e->http_status) {
        lua_newtable(L);
        lua_pushinteger(L, e->http_status);
        lua_setfield(L, -2, "status");
        if (*e->request_id) {
            lua_pushstring(L, e->request_id);
            lua_setfield(L, -2, "request_id");
        }
        lua_setfield(L, -2, "http");
    }
    if (e->cause) {
        sph_error_push(L, e->cause);
        lua_setfield(L, -2, "cause");
    }
    luaL_setmetatable(L, METATABLE);
}

int sph_error_misuse(lua_State *L, const char *code, const char *op, const char *fmt, ...) {
    lua_createtable(L, 0, 5);
    luaL_where(L, 1);
    va_list args;
    va_start(args, fmt);
    lua_pushvfstring(L, fmt, args);
    va_end(args);
    lua_concat(L, 2);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, op);
    lua_setfield(L, -2, "op");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "retryable");
    lua_newtable(L);
    lua_setfield(L, -2, "where");
    luaL_setmetatable(L, METATABLE);
    return lua_error(L);
}

void sph_error_no_memory(lua_State *L) {
    for (;;)
        luaL_error(L, "not enough memory");
}

/* The raw string field `key` of the table at idx, or NULL; it stays on the stack. */
static const char *field(lua_State *L, int idx, const char *key) {
    lua_pushstring(L, key);
    lua_rawget(L, idx < 0 ? idx - 1 : idx);
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

const char *sph_where_name(sph_where key) {
    return where_names[key];
}

#define MAX_CAUSES 16

/* One error of the chain; leaves what it pushed on the stack. */
static void read_one(lua_State *L, int idx, sph_error **slot) {
    const char *code = field(L, idx, "code"), *op = field(L, idx, "op"), *message = field(L, idx, "message");
    *slot = sph_error_new(code ? code : "error", op, "%s", message ? message : "failed");
    if (*slot == &out_of_memory)
        return;
    field(L, idx, "errno");
    (*slot)->errnum = (int)lua_tointeger(L, -1);
    field(L, idx, "retryable");
    (*slot)->retryable = lua_toboolean(L, -1);
    field(L, idx, "where");
    int where = lua_gettop(L);
    for (int i = 0; lua_istable(L, where) && i < SPH_WHERE_COUNT; i++)
        sph_error_where(*slot, (sph_where)i, field(L, where, where_names[i]));
    field(L, idx, "http");
    int http = lua_gettop(L);
    if (lua_istable(L, http)) {
        field(L, http, "status");
        (*slot)->http_status = (int)lua_tointeger(L, -1);
        const char *id = field(L, http, "request_id");
        snprintf((*slot)->request_id, sizeof(*slot)->request_id, "%s", id ? id : "");
    }
}

void sph_error_read(lua_State *L, int idx, sph_error **slot) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 20 + SPH_WHERE_COUNT, NULL);
    lua_pushvalue(L, idx);
    for (int i = 0; i < MAX_CAUSES && lua_istable(L, top + 1); i++) {
        read_one(L, top + 1, slot);
        if (*slot == &out_of_memory)
            break;
        slot = &(*slot)->cause;
        field(L, top + 1, "cause");
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
    }
    if (!*slot && lua_isstring(L, top + 1)) {
        const char *text = lua_tostring(L, top + 1);
        *slot =
            sph_error_new(strcmp(text, "not enough memory") == 0 ? "ENOMEM" : "lua.error", "lua", "%s", text);
    }
    lua_settop(L, top);
}

/* "volumes/vm1@snap", "images", or a URL: the place, as people write it. */
static bool add_place(lua_State *L, luaL_Buffer *b, int where) {
    if (!lua_istable(L, where))
        return false;
    static const struct {
        const char *key, *before;
    } parts[] = {{"pool", ""},    {"namespace", "/"},     {"image", "/"}, {"snapshot", "@"},
                 {"object", "/"}, {"image_id", "image "}, {"url", ""}};
    bool any = false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        lua_getfield(L, where, parts[i].key);
        if (!lua_isstring(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        bool separate = any && (i >= 5);
        lua_pushfstring(L, "%s%s%s", separate ? " " : "", any || i >= 5 ? parts[i].before : "",
                        lua_tostring(L, -1));
        lua_remove(L, -2);
        luaL_addvalue(b);
        any = true;
    }
    return any;
}

/*** tostring(err) -> string
 * One line: operation, place, message, code, and the innermost cause. */
static int l_error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *op = field(L, 1, "op"), *message = field(L, 1, "message"), *code = field(L, 1, "code");
    lua_pushliteral(L, "where");
    lua_rawget(L, 1);
    int where = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    if (op && *op) {
        luaL_addstring(&b, op);
        luaL_addstring(&b, ": ");
    }
    if (add_place(L, &b, where))
        luaL_addstring(&b, ": ");
    luaL_addstring(&b, message ? message : "error");
    if (code) {
        luaL_addstring(&b, " (");
        luaL_addstring(&b, code);
        luaL_addchar(&b, ')');
    }
    luaL_pushresult(&b);
    return 1;
}

/*** err:is(code, ...) -> boolean
 * Whether the error, not its cause, has one of these codes. */
static int l_error_is(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int top = lua_gettop(L);
    field(L, 1, "code");
    bool found = false;
    for (int i = 2; i <= top && !found; i++)
        found = lua_rawequal(L, i, -1);
    lua_pushboolean(L, found);
    return 1;
}

/*** siphon.error{code=, op=, message=, where=, http=, retryable=, cause=, errno=} -> err
 * Turns the table into an error object; what is left out gets a default. It does not raise. */
static int l_error_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (!field(L, 1, "code")) {
        lua_pushliteral(L, "error");
        lua_setfield(L, 1, "code");
    }
    if (!field(L, 1, "message")) {
        lua_pushliteral(L, "failed");
        lua_setfield(L, 1, "message");
    }
    if (lua_getfield(L, 1, "where") == LUA_TNIL) {
        lua_newtable(L);
        lua_setfield(L, 1, "where");
    }
    if (lua_getfield(L, 1, "retryable") == LUA_TNIL) {
        lua_pushboolean(L, 0);
        lua_setfield(L, 1, "retryable");
    }
    lua_settop(L, 1);
    luaL_setmetatable(L, METATABLE);
    return 1;
}

void sph_error_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"is", l_error_is}, {NULL, NULL}};
    luaL_newmetatable(L, METATABLE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_error_new);
}
