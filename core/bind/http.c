/* siphon.http: requests whose bodies may be RBD images.
 *
 * Thread: the loop thread. What is read from Lua belongs to the operation from then on. */
#include "bind/http.h"

#include "bind/bind.h"
#include "bind/digest.h"
#include "bind/options.h"
#include "bind/secret.h"

#include "ceph/image.h"
#include "http/window.h"

#include <curl/curl.h>
#include <lauxlib.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_BODY ((uint64_t)16 << 20)
#define CONNECT_TIMEOUT 10.0
#define STALL_TIMEOUT 300.0
#define MAX_REDIRECTS 5
#define IN_FLIGHT 8

/* --- headers -------------------------------------------------------------------------------------------- */

static void add_header(lua_State *L, sph_transfer *t, const char *name, size_t name_length, int idx) {
    size_t length;
    const char *value = sph_secret_test(L, idx, &length), *bad;
    bool secret = value != NULL;
    if (!value) {
        int type = lua_type(L, idx);
        if (type != LUA_TSTRING && type != LUA_TNUMBER)
            luaL_error(L, "header '%s': a string, a number or a Secret expected, got %s", name,
                       luaL_typename(L, idx));
        lua_pushvalue(L, idx); /* a number must not become a string in the caller's table */
        value = lua_tolstring(L, -1, &length);
    }
    if ((bad = sph_http_bad_header_name(name, name_length)))
        luaL_error(L, "header '%s': %s", name, bad);
    if ((bad = sph_http_bad_header_value(value, length)))
        luaL_error(L, "header '%s': %s", name, bad);
    if (sph_http_add_header(&t->request, name, name_length, value, length, secret) < 0)
        luaL_error(L, "not enough memory");
    if (!secret)
        lua_pop(L, 1);
}

void sph_http_header_from(lua_State *L, sph_transfer *t, const char *name, int idx) {
    add_header(L, t, name, strlen(name), lua_absindex(L, idx));
}

static void read_headers(lua_State *L, sph_transfer *t, int idx) {
    if (sph_option_push(L, idx, "headers") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    int headers = lua_gettop(L);
    luaL_argcheck(L, lua_istable(L, headers), idx, "option 'headers' must be a table of names and values");
    for (lua_pushnil(L); lua_next(L, headers); lua_pop(L, 1)) {
        size_t length;
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, idx, "option 'headers': names are strings");
        const char *name = lua_tolstring(L, -2, &length);
        add_header(L, t, name, length, lua_gettop(L));
    }
    lua_pop(L, 1);
}

/* Names of answered headers whose values Lua gets as Secrets. */
static void read_secret_headers(lua_State *L, sph_transfer *t, int idx) {
    if (sph_option_push(L, idx, "secret_headers") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    luaL_argcheck(L, lua_istable(L, -1), idx, "option 'secret_headers' must be a list of names");
    size_t count = (size_t)lua_rawlen(L, -1);
    const char **names = sph_op_bytes(L, &t->op, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        names[i] = sph_op_string(L, &t->op, lua_gettop(L));
        lua_pop(L, 1);
        if (!names[i])
            luaL_argerror(L, idx, "option 'secret_headers' must be a list of names");
    }
    t->request.secret_fields = names;
    lua_pop(L, 1);
}

/* --- bodies --------------------------------------------------------------------------------------------- */

static unsigned read_in_flight(lua_State *L, int idx) {
    int64_t n = sph_option_integer(L, idx, "max_in_flight", IN_FLIGHT);
    if (n < 1 || n > SPH_WINDOW_MAX)
        luaL_argerror(L, idx,
                      lua_pushfstring(L, "option 'max_in_flight' must be from 1 to %d", SPH_WINDOW_MAX));
    return (unsigned)n;
}

/* The image named by the table at idx; NULL when it names none. */
static sph_image *image_option(lua_State *L, int idx) {
    if (sph_option_push(L, idx, "image") == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    sph_image *image = sph_object_test(L, -1, &sph_image_type);
    if (!image)
        luaL_error(L, "option 'image' must be an Image, not %s", luaL_typename(L, -1));
    lua_pop(L, 1);
    return image;
}

static sph_body *read_table_body(lua_State *L, sph_transfer *t, int idx) {
    sph_engine *engine = t->op.engine;
    sph_options_check(L, idx, "file", "image", "offset", "length", "max_in_flight", NULL);
    const char *file = sph_option_string(L, idx, "file", NULL);
    sph_image *image = image_option(L, idx);
    if (!file == !image)
        luaL_error(L, "option 'body' names a file or an image");
    if (file)
        return sph_body_from_file(engine, file);
    t->objects[0] = &image->object;
    return sph_body_from_image(engine, image, sph_option_size(L, idx, "offset", 0),
                               sph_option_size(L, idx, "length", SPH_BODY_TO_END), read_in_flight(L, idx));
}

/* Servers want to hear of the length, even of an empty body, where a method has one. */
static bool wants_a_body(const char *method) {
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
}

static void read_body(lua_State *L, sph_transfer *t, int idx) {
    size_t length;
    int type = sph_option_push(L, idx, "body"), body = lua_gettop(L);
    if (type == LUA_TSTRING) {
        const void *data = sph_op_data(L, &t->op, body, &length);
        t->source = sph_body_from_memory(t->op.engine, data, length);
    } else if (type == LUA_TTABLE) {
        t->source = read_table_body(L, t, body);
    } else if (type != LUA_TNIL) {
        luaL_argerror(L, idx, "option 'body' must be a string, or a table that names a file or an image");
    } else if (wants_a_body(t->request.method)) {
        t->source = sph_body_from_memory(t->op.engine, "", 0);
    } else {
        lua_pop(L, 1);
        return;
    }
    if (!t->source)
        luaL_error(L, "not enough memory");
    lua_pop(L, 1);
}

static void read_sink(lua_State *L, sph_transfer *t, int idx) {
    if (sph_option_push(L, idx, "sink") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    int sink = lua_gettop(L);
    luaL_argcheck(L, lua_istable(L, sink), idx,
                  "option 'sink' must be a table that names a file or an image");
    sph_options_check(L, sink, "file", "image", "offset", "max_in_flight", NULL);
    const char *file = sph_option_string(L, sink, "file", NULL);
    sph_image *image = image_option(L, sink);
    if (!file == !image)
        luaL_error(L, "option 'sink' names a file or an image");
    if (image && (image->read_only || image->snapshot))
        sph_error_misuse(
            L, "misuse", t->op.type->name,
            "the sink's image is open for reading: open it at no snapshot, with read_only = false");
    t->objects[1] = image ? &image->object : NULL;
    t->sink = file ? sph_body_to_file(t->op.engine, file)
                   : sph_body_to_image(t->op.engine, image, sph_option_size(L, sink, "offset", 0),
                                       read_in_flight(L, sink));
    if (!t->sink)
        luaL_error(L, "not enough memory");
    lua_pop(L, 1);
}

/* --- the request ---------------------------------------------------------------------------------------- */

static double read_seconds(lua_State *L, int idx, const char *key, double otherwise) {
    double seconds = sph_option_number(L, idx, key, otherwise);
    if (!(seconds >= 0) || isinf(seconds))
        luaL_argerror(L, idx,
                      lua_pushfstring(L, "option '%s' must be a number of seconds, 0 for no limit", key));
    return seconds;
}

sph_transfer *sph_http_new(lua_State *L, const sph_op_type *type, int idx) {
    sph_transfer *t = sph_op_new(L, type, sizeof *t);
    sph_http_request *r = &t->request;
    sph_op *op = &t->op;
    r->method = sph_option_copy(L, op, idx, "method");
    if (!r->method)
        r->method = "GET";
    const char *bad = sph_http_bad_method(r->method, strlen(r->method));
    if (bad)
        luaL_argerror(L, idx, lua_pushfstring(L, "option 'method': %s", bad));
    r->timeout = read_seconds(L, idx, "timeout", 0);
    r->connect_timeout = read_seconds(L, idx, "connect_timeout", CONNECT_TIMEOUT);
    r->stall_timeout = read_seconds(L, idx, "stall_timeout", STALL_TIMEOUT);
    uint64_t redirects = sph_option_size(L, idx, "max_redirects", MAX_REDIRECTS);
    r->max_redirects = redirects < 100 ? (unsigned)redirects : 100;
    r->max_body = sph_option_size(L, idx, "max_body", MAX_BODY);
    r->ca_file = sph_option_copy(L, op, idx, "ca_file");
    r->cert_file = sph_option_copy(L, op, idx, "cert_file");
    r->key_file = sph_option_copy(L, op, idx, "key_file");
    r->proxy = sph_option_copy(L, op, idx, "proxy");
    r->insecure = sph_option_boolean(L, idx, "insecure", false);
    read_headers(L, t, idx);
    read_secret_headers(L, t, idx);
    read_body(L, t, idx);
    t->digest = sph_option_digest(L, idx, "digest");
    read_sink(L, t, idx);
    sph_op_progress_option(L, op, idx);
    return t;
}

int sph_http_await(lua_State *L, sph_transfer *t) {
    for (size_t i = 0; i < sizeof t->objects / sizeof *t->objects; i++)
        if (t->objects[i])
            sph_op_use(&t->op, t->objects[i]);
    return sph_op_await(L, &t->op);
}

/* --- the answer ----------------------------------------------------------------------------------------- */

static bool is_secret_field(const sph_transfer *t, const char *name) {
    for (const char *const *secret = t->request.secret_fields; secret && *secret; secret++)
        if (strcasecmp(*secret, name) == 0)
            return true;
    return false;
}

/* Several headers of one name are one, with commas, as RFC 9110 5.3 has it. */
static void push_headers(lua_State *L, const sph_transfer *t) {
    lua_newtable(L);
    for (const sph_http_field *field = t->response.fields; field; field = field->next) {
        if (is_secret_field(t, field->name)) {
            sph_secret_push(L, field->value, strlen(field->value));
        } else {
            const char *before = lua_getfield(L, -1, field->name) == LUA_TSTRING ? lua_tostring(L, -1) : "";
            lua_pushfstring(L, "%s%s%s", before, *before ? ", " : "", field->value);
            lua_remove(L, -2);
        }
        lua_setfield(L, -2, field->name);
    }
}

int sph_http_push(lua_State *L, sph_op *op) {
    const sph_transfer *t = (const sph_transfer *)op;
    const sph_http_response *r = &t->response;
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, r->status);
    lua_setfield(L, -2, "status");
    push_headers(L, t);
    lua_setfield(L, -2, "headers");
    if (!t->sink || r->body_length) {
        lua_pushlstring(L, r->body ? r->body : "", r->body_length);
        lua_setfield(L, -2, "body");
    }
    lua_pushstring(L, sph_transfer_url(t));
    lua_setfield(L, -2, "url");
    lua_pushinteger(L, (lua_Integer)r->sent);
    lua_setfield(L, -2, "bytes_sent");
    lua_pushinteger(L, (lua_Integer)r->received);
    lua_setfield(L, -2, "bytes_received");
    if (t->digest) {
        sph_digest_push(L, t->digest);
        lua_setfield(L, -2, "digest");
    }
    return 1;
}

/*** http.request(options) -> response | nil, err
 * Makes an HTTP/1.1 request and waits for all of the answer. An answer of any status is a response; errors
 * are for requests that got none.
 *
 * options:
 *   url              http:// or https://, percent-encoded
 *   method           "GET"
 *   headers          {name = string | number | Secret}; Content-Length and Transfer-Encoding follow from
 *                    the body
 *   body             a string; {file = path}; {image = Image, offset = 0, length = to the end,
 *                    max_in_flight = 8}. An image is read as its handle sees it, in pieces of 4 MiB, of
 *                    which max_in_flight (1 to 64) are read ahead. Read at a snapshot: a head may change.
 *   sink             where the body of a success (2xx) goes; left out, to memory. {file = path}: written
 *                    beside the path and put in its place when complete. {image = Image, offset = 0,
 *                    max_in_flight = 8}: pieces of zeros stay thin; flushed at the end.
 *   max_body         bytes that memory may take, 16 MiB
 *   connect_timeout  seconds to a connection, 10; 0 for none, as in the others
 *   timeout          seconds for all of it, redirects included; none
 *   stall_timeout    seconds without a byte in either direction, 300
 *   max_redirects    5; 0 returns a redirect as it is
 *   ca_file          PEM file of the authorities to trust instead of the system's
 *   cert_file        PEM file of the client's certificate
 *   key_file         PEM file of its key, when that is not in cert_file
 *   insecure         true: certificates are not verified
 *   proxy            "http://host:port", "" for none; left out, http_proxy, https_proxy, all_proxy and
 *                    no_proxy of the environment count, as libcurl reads them
 *   secret_headers   names of headers of the answer that shall be Secrets, such as "x-subject-token"
 *   digest           "sha256" or "sha512": hashes the body on its way; the response then has `digest`, see
 *                    image:digest
 *   progress         function(done, total) of the body's bytes; of the answer's when none is sent; total
 *                    is 0 when it is not known
 *
 * response: status, headers {lower-case name = value}, body (nil when the sink has it), url (asked last),
 * bytes_sent and bytes_received (of the bodies).
 *
 * Redirects (301, 302, 303, 307, 308) keep method and body, as OpenStack's clients do; 303 goes on with
 * GET. Headers that carry credentials, and all that were given as Secrets, stay behind when host, port or
 * scheme change; from https to http is refused.
 *
 * A body is sent once. Neither a redirect nor a kept connection that turns out to be dead makes a file or
 * an image be sent again once some of it was; the second is http.cut even for a string. (Only GET, HEAD and
 * OPTIONS without a body are repeated then.) A file or an image waits up to 3 seconds for the server's
 * "100 Continue", so that a refusal mostly comes before anything is read; a string does not.
 *
 * Errors: "http.connect" (name, refusal, proxy), "http.timeout", "http.tls", "http.cut" (in mid-answer or
 * before it), "http.protocol" (no HTTP, or not understood), "http.redirect", "http.url", "http.too_large";
 * those of the file (code ENOENT, ...) and of the image (op rbd.aio_read or rbd.aio_write). A header, a
 * method or a URL with control characters raises.
 *
 * A cancelled request leaves at once, but for reads and writes of an image that are under way: their
 * memory is librbd's until they return. A cluster that hangs holds it up until its op_timeout. */
static int l_http_request(lua_State *L) {
    static const sph_op_type type = {.name = "http.request",
                                     .start = sph_transfer_start,
                                     .push = sph_http_push,
                                     .cancel = sph_transfer_cancel,
                                     .release = sph_transfer_release};
    luaL_checktype(L, 1, LUA_TTABLE);
    sph_options_check(L, 1, "url", SPH_HTTP_OPTIONS, NULL);
    const char *url = sph_option_string(L, 1, "url", NULL);
    luaL_argcheck(L, url, 1, "option 'url' is missing");
    const char *bad = sph_http_bad_url(url, strlen(url));
    if (bad)
        luaL_argerror(L, 1, lua_pushfstring(L, "option 'url': %s", bad));
    sph_transfer *t = sph_http_new(L, &type, 1);
    t->request.url = sph_option_copy(L, &t->op, 1, "url");
    return sph_http_await(L, t);
}

/*** siphon.http.version() -> string
 * Of libcurl: "7.88.1". */
static int l_http_version(lua_State *L) {
    lua_pushstring(L, curl_version_info(CURLVERSION_NOW)->version);
    return 1;
}

int sph_open_http(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"request", l_http_request}, {"version", l_http_version}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
