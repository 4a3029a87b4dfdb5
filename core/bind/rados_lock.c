/* Pool: advisory locks on objects, and who watches them.
 *
 * Thread: the loop thread. */
#include "bind/ceph.h"
#include "bind/options.h"

#include "ceph/lock.h"
#include "ceph/notify.h"

#include <inttypes.h>
#include <string.h>

static sph_lock_op *new_lock(lua_State *L, const sph_op_type *type, int args) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, args);
    sph_lock_op *op = sph_op_new(L, type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->lock = sph_check_name(L, &op->op, 3);
    return op;
}

static int await(lua_State *L, sph_lock_op *op) {
    return sph_await(L, &op->op, &op->pool->object);
}

static const char *or_empty(const char *s) {
    return s ? s : "";
}

static const sph_op_type lock_type = {.name = "rados.lock", .run = sph_lock_take};

/*** pool:lock(name, lock, options?) -> true | nil, err
 * Takes the lock named `lock` on an object, which is made when it is not there.
 * - cookie: tells apart several holds by one client; default ""
 * - description: for people who ask who holds it
 * - duration: seconds until it expires, by the OSD's clock; default 0: until it is given back, even if the
 *   client dies
 * - shared: others may hold it too
 * - renew: extends it when this client holds it already with this cookie
 * - must_renew: only extends it
 * Errors: EBUSY when somebody else holds it; EEXIST when this client does, and no renewal was asked for;
 * ENOENT when what must be renewed was lost. */
static int l_pool_lock(lua_State *L) {
    sph_options_check(L, 4, "cookie", "description", "duration", "shared", "renew", "must_renew", NULL);
    sph_lock_op *op = new_lock(L, &lock_type, 4);
    op->cookie = or_empty(sph_option_copy(L, &op->op, 4, "cookie"));
    op->description = or_empty(sph_option_copy(L, &op->op, 4, "description"));
    op->duration = sph_option_number(L, 4, "duration", 0);
    op->shared = sph_option_boolean(L, 4, "shared", false);
    op->renew = sph_option_boolean(L, 4, "renew", false);
    op->must_renew = sph_option_boolean(L, 4, "must_renew", false);
    luaL_argcheck(L, op->duration >= 0 && op->duration < 1e9, 4, "duration must be a number of seconds");
    return await(L, op);
}

static const sph_op_type unlock_type = {.name = "rados.unlock", .run = sph_lock_give};

/*** pool:unlock(name, lock, cookie?) -> true | nil, err
 * Gives the lock back. ENOENT when this client does not hold it (with that cookie). */
static int l_pool_unlock(lua_State *L) {
    sph_lock_op *op = new_lock(L, &unlock_type, 4);
    op->cookie = or_empty(sph_op_string(L, &op->op, 4));
    return await(L, op);
}

static const sph_op_type break_type = {.name = "rados.break_lock", .run = sph_lock_break};

/*** pool:break_lock(name, lock, client, cookie?) -> true | nil, err
 * Takes the lock away from a client ("client.4123", as in lockers). That client is not told: bar it first
 * (cluster:blocklist) when it might still act.
 * Errors: ENOENT when it does not hold the lock. */
static int l_pool_break_lock(lua_State *L) {
    sph_lock_op *op = new_lock(L, &break_type, 5);
    op->client = sph_check_name(L, &op->op, 4);
    op->cookie = or_empty(sph_op_string(L, &op->op, 5));
    return await(L, op);
}

static int push_holders(lua_State *L, sph_op *op) {
    const sph_lockers_op *self = (const sph_lockers_op *)op;
    const char *client = self->clients, *cookie = self->cookies, *address = self->addresses;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, client);
        lua_setfield(L, -2, "client");
        lua_pushstring(L, cookie);
        lua_setfield(L, -2, "cookie");
        lua_pushstring(L, sph_address_plain(address));
        lua_setfield(L, -2, "address");
        sph_set_boolean(L, "exclusive", self->exclusive);
        lua_seti(L, -2, (lua_Integer)i + 1);
        client += strlen(client) + 1;
        cookie += strlen(cookie) + 1;
        address += strlen(address) + 1;
    }
    return 1;
}

static const sph_op_type holders_type = {.name = "rados.lockers",
                                         .flags = SPH_OP_ABANDON,
                                         .run = sph_lock_holders,
                                         .push = push_holders,
                                         .release = sph_lock_holders_release};

/*** pool:lockers(name, lock) -> {{client=, cookie=, address=, exclusive=}, ...} | nil, err
 * Who holds the lock; empty when nobody does, or when there is no such object. `address` is what
 * cluster:blocklist takes. */
static int l_pool_lockers(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 3);
    sph_lockers_op *op = sph_op_new(L, &holders_type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->lock = sph_check_name(L, &op->op, 3);
    return sph_await(L, &op->op, &pool->object);
}

static int push_answers(lua_State *L, sph_op *op) {
    const sph_notify_op *self = (const sph_notify_op *)op;
    lua_createtable(L, (int)self->count, 0);
    for (size_t i = 0; i < self->count; i++) {
        char client[32];
        snprintf(client, sizeof client, "client.%" PRIu64, self->answers[i]);
        lua_pushstring(L, client);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const sph_op_type notify_type = {.name = "rados.notify",
                                        .flags = SPH_OP_ABANDON,
                                        .run = sph_notify_send,
                                        .push = push_answers,
                                        .release = sph_notify_release};

/*** pool:notify(name, timeout?) -> {"client.4123", ...} | nil, err
 * Has everybody who watches the object look at it again, and returns the clients that answered within `timeout`
 * seconds (default 5). Whoever has an image open for writing watches `rbd_header.ID`: one that is not among
 * them hangs or is dead. */
static int l_pool_notify(lua_State *L) {
    sph_pool *pool = sph_check_pool(L, 1);
    lua_settop(L, 3);
    lua_Number timeout = luaL_optnumber(L, 3, 5);
    luaL_argcheck(L, timeout > 0 && timeout < 1e6, 3, "timeout must be a number of seconds");
    sph_notify_op *op = sph_op_new(L, &notify_type, sizeof *op);
    op->pool = pool;
    op->name = sph_check_name(L, &op->op, 2);
    op->timeout = timeout;
    return sph_await(L, &op->op, &pool->object);
}

const luaL_Reg sph_pool_lock_methods[] = {
    {"lock", l_pool_lock},       {"unlock", l_pool_unlock}, {"break_lock", l_pool_break_lock},
    {"lockers", l_pool_lockers}, {"notify", l_pool_notify}, {NULL, NULL}};
