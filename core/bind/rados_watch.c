/* Pool: watching an object.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"

#include "ceph/watch.h"
#include "engine/engine.h"

#include <math.h>

static int push_watch(lua_State *L, sph_op *op) {
    sph_push_child(L, &((sph_watch_open_op *)op)->watch->object, 1);
    return 1;
}

static const sph_op_type open_type = {.name = "rados.watch",
                                      .flags = SPH_OP_ABANDON,
                                      .run = sph_watch_open,
                                      .push = push_watch,
                                      .release = sph_watch_open_release};

/*** pool:watch(name) -> Watch | nil, err
 * Listens for what others say about the object by pool:notify; each such word is acknowledged at once. It takes no
 * more than the right to read and write there, and costs the OSD a ping every few seconds. Since 0.1.
 * Errors: ENOENT when there is no such object. */
static int l_pool_watch(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 2);
    sph_watch_open_op *op = sph_op_new(L, &open_type, sizeof *op);
    op->watch = sph_watch_object_new(pool, sph_check_name(L, &op->op, 2));
    if (!op->watch)
        return luaL_error(L, "not enough memory");
    return sph_await(L, &op->op, &pool->object);
}

static int push_heard(lua_State *L, sph_op *op) {
    sph_watch_object *watch = ((sph_hear_op *)op)->watch;
    lua_pushboolean(L, watch->heard);
    watch->heard = false;
    return 1;
}

static const sph_op_type hear_type = {.name = "rados.watch.wait",
                                      .flags = SPH_OP_IDLE,
                                      .start = sph_hear_start,
                                      .cancel = sph_hear_cancel,
                                      .push = push_heard};

/*** watch:wait(seconds?) -> boolean | nil, err
 * Waits until somebody says a word about the object: true, also when that was before the call; several words since
 * the last call count once. False when the time is over. A watch that was lost, because the OSD or the network was
 * away, is made anew by itself, and the answer is true too, since a word may have been missed; nil and the error when
 * that fails (ENOENT: the object is gone; ESHUTDOWN: this client is barred): then close it. One task at a time. */
static int l_watch_wait(lua_State *L) {
    sph_watch_object *watch = sph_object_check(L, 1, &sph_watch_object_type);
    lua_Number seconds = luaL_optnumber(L, 2, -1);
    luaL_argcheck(L, lua_isnoneornil(L, 2) || (seconds >= 0 && isfinite(seconds)), 2,
                  "a number of seconds, 0 or more");
    if (watch->ear)
        return sph_error_misuse(L, "watch.busy", "rados.watch.wait", "another task waits for it already");
    lua_settop(L, 1);
    sph_hear_op *op = sph_op_new(L, &hear_type, sizeof *op);
    op->watch = watch;
    op->seconds = seconds;
    return sph_await(L, &op->op, &watch->object);
}

const luaL_Reg sph_pool_watch_methods[] = {{"watch", l_pool_watch}, {NULL, NULL}};

void sph_open_watch(lua_State *L) {
    static const luaL_Reg methods[] = {{"wait", l_watch_wait}, {NULL, NULL}};
    sph_object_register(L, &sph_watch_object_type, methods, NULL);
}
