/* siphon.core.input: what a person or a pipe sends, waited for on the loop like everything else.
 *
 * Thread: the loop thread. */
#include "bind/bind.h"

#include "engine/engine.h"

#include <lauxlib.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int descriptor(lua_State *L) {
    lua_Integer fd = luaL_optinteger(L, 1, STDIN_FILENO);
    luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 1, "a file descriptor");
    return (int)fd;
}

typedef struct {
    sph_op op;
    sph_watch watch;
    bool watching;
} wait_op;

static void end(wait_op *self) {
    sph_watch_stop(sph_engine_loop(self->op.engine), &self->watch);
    self->watching = false;
    sph_op_complete(&self->op);
}

static void has_input(sph_watch *watch, uint32_t events) {
    (void)events; /* an end or an error is what the read will tell */
    end((wait_op *)((char *)watch - offsetof(wait_op, watch)));
}

static void start_wait(sph_op *op) {
    wait_op *self = (wait_op *)op;
    self->watch.ready = has_input;
    int rc = sph_watch_start(sph_engine_loop(op->engine), &self->watch, EPOLLIN);
    self->watching = rc == 0;
    if (self->watching)
        return;
    if (rc != -EPERM) /* of a plain file, which never keeps anybody waiting */
        sph_op_check(op, rc, "descriptor %d", self->watch.fd);
    sph_op_complete(op);
}

static void cancel_wait(sph_op *op) {
    wait_op *self = (wait_op *)op;
    if (!self->watching)
        return;
    sph_op_check(op, -ECANCELED, "nothing came");
    end(self);
}

static const sph_op_type wait_type = {.name = "input.wait", .start = start_wait, .cancel = cancel_wait};

/*** input.wait(fd = 0) -> true | nil, err
 * Waits until reading the descriptor does not block: something came, or its other end was closed. One waiter for a
 * descriptor at a time (EEXIST). */
static int l_input_wait(lua_State *L) {
    int fd = descriptor(L);
    wait_op *op = sph_op_new(L, &wait_type, sizeof *op);
    op->watch.fd = fd;
    return sph_op_await(L, &op->op);
}

/*** input.read(fd = 0) -> string | nil, message
 * What there is to read, up to 64 KiB; "" at the end. Blocks when there is nothing: input.wait comes first. */
static int l_input_read(lua_State *L) {
    int fd = descriptor(L);
    luaL_Buffer b;
    char *space = luaL_buffinitsize(L, &b, 65536);
    ssize_t n = read(fd, space, 65536);
    if (n < 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

int sph_open_input(lua_State *L) {
    static const luaL_Reg functions[] = {{"wait", l_input_wait}, {"read", l_input_read}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
