/* siphon.task.semaphore: at most n at once. */
#include "bind/bind.h"

#include "engine/engine.h"

#include <lauxlib.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define PERMIT "siphon.Permit"

typedef struct acquire_op acquire_op;

typedef struct {
    sph_object object;
    unsigned free, size;
    acquire_op *first, *last; /* who waits, in order */
} semaphore;

struct acquire_op {
    sph_op op;
    acquire_op *next;
    bool granted;
};

static void describe(const sph_object *object, char *buffer, size_t size) {
    const semaphore *s = (const semaphore *)object;
    snprintf(buffer, size, "%u of %u free", s->free, s->size);
}

static const sph_object_type semaphore_type = {.name = "siphon.Semaphore", .describe = describe};

static semaphore *of(sph_op *op) {
    return (semaphore *)op->uses[0];
}

static void release(semaphore *s) {
    acquire_op *waiter = s->first;
    if (!waiter) {
        s->free++;
        return;
    }
    s->first = waiter->next;
    waiter->granted = true;
    sph_op_complete(&waiter->op);
}

/* --- acquire -------------------------------------------------------------------------------------------- */

static void start_acquire(sph_op *op) {
    acquire_op *self = (acquire_op *)op;
    semaphore *s = of(op);
    if (s->free) {
        s->free--;
        self->granted = true;
        sph_op_complete(op);
        return;
    }
    if (s->first)
        s->last->next = self;
    else
        s->first = self;
    s->last = self;
}

static void cancel_acquire(sph_op *op) {
    semaphore *s = of(op);
    acquire_op *before = NULL;
    for (acquire_op *w = s->first; w; before = w, w = w->next)
        if (&w->op == op) {
            if (before)
                before->next = w->next;
            else
                s->first = w->next;
            if (s->last == w)
                s->last = before;
            sph_op_check(op, -ECANCELED, "left the queue");
            sph_op_complete(op);
            return;
        }
}

/* The permit was made before the wait (stack index 2), so that a granted place is never lost. */
static int push_permit(lua_State *L, sph_op *op) {
    acquire_op *self = (acquire_op *)op;
    semaphore **permit = lua_touserdata(L, 2);
    *permit = *(semaphore **)lua_touserdata(L, 1);
    sph_object_ref(&(*permit)->object);
    self->granted = false;
    lua_pushvalue(L, 2);
    return 1;
}

static const sph_op_type acquire_type = {.name = "task.semaphore.acquire",
                                         .flags = SPH_OP_IDLE,
                                         .start = start_acquire,
                                         .cancel = cancel_acquire,
                                         .push = push_permit};

/*** semaphore:acquire() -> Permit
 * Waits, in the order of asking, until one of the n places is free. The permit is given back by release(), or
 * at the end of its scope: `local permit <close> = semaphore:acquire()`. */
static int l_semaphore_acquire(lua_State *L) {
    semaphore *s = sph_object_check(L, 1, &semaphore_type);
    lua_settop(L, 1);
    semaphore **permit = lua_newuserdatauv(L, sizeof *permit, 0);
    *permit = NULL;
    luaL_setmetatable(L, PERMIT);
    acquire_op *op = sph_op_new(L, &acquire_type, sizeof *op);
    sph_op_use(&op->op, &s->object);
    return sph_op_await(L, &op->op);
}

/*** permit:release()
 * Gives the place back; a second time does nothing. */
static int l_permit_release(lua_State *L) {
    semaphore **permit = luaL_checkudata(L, 1, PERMIT);
    semaphore *s = *permit;
    *permit = NULL;
    if (s) {
        release(s);
        sph_object_unref(&s->object);
    }
    return 0;
}

/*** task.semaphore(n) -> Semaphore
 * At most n permits are out at once. */
static int l_semaphore_new(lua_State *L) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n > 0 && n <= INT_MAX, 1, "a count of 1 or more");
    semaphore *s = sph_object_push_new(L, &semaphore_type, sizeof *s, NULL);
    s->free = s->size = (unsigned)n;
    return 1;
}

void sph_open_semaphore(lua_State *L) {
    static const luaL_Reg methods[] = {{"acquire", l_semaphore_acquire}, {NULL, NULL}};
    sph_object_register(L, &semaphore_type, methods, NULL);
    static const luaL_Reg permit[] = {{"release", l_permit_release}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__close", l_permit_release}, {"__gc", l_permit_release}, {NULL, NULL}};
    luaL_newmetatable(L, PERMIT);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, permit);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_semaphore_new);
}
