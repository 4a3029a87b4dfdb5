/* Operations: one primitive in flight.
 *
 * A binding makes an operation (sph_op_new leaves an anchor userdata on the Lua stack, so that a raise at any
 * later point frees it), fills in its arguments, and ends with `return sph_op_await(L, op)`. In a task that
 * yields; outside of tasks it drives the loop until the operation is done. Either way the Lua caller sees the
 * results of `push`, or nil and an error object.
 *
 * An operation is of one of two kinds: `run` blocks, on a worker thread; `start` begins something on the loop
 * thread that later calls sph_op_complete, from any thread, perhaps before `start` returned.
 *
 * Ownership: the anchor holds one reference; while in flight the loop holds another. So an operation outlives
 * a task that was cancelled or ran out of memory, and is freed on the loop thread when both are gone. */
#ifndef SPH_OP_H
#define SPH_OP_H

#include "error.h"
#include "loop.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct sph_op sph_op;
struct sph_object;
struct sph_task;
struct sph_engine;

enum {
    /* A cancelled waiter leaves at once; the operation ends unobserved. Only for what has no lasting effect.
     */
    SPH_OP_ABANDON = 1,
    /* Runs to its end even in a cancelled task: closers and the like. */
    SPH_OP_SHIELDED = 2,
    /* Embedded in a longer-lived struct: never freed by itself. */
    SPH_OP_EMBEDDED = 4,
    /* Only waits: no point for a fault (fault.h). */
    SPH_OP_IDLE = 8,
};

typedef struct sph_op_type {
    const char *name; /* "rbd.snap_create": `op` in its errors */
    unsigned flags;
    void (*run)(sph_op *op);                      /* worker thread */
    void (*start)(sph_op *op);                    /* loop thread; instead of run */
    int (*push)(struct lua_State *L, sph_op *op); /* SPH_LJMP; loop thread; NULL pushes true */
    void (*cancel)(sph_op *op);                   /* loop thread; asks it to end soon; may be NULL */
    void (*release)(sph_op *op);                  /* loop thread; frees what the payload owns; may be NULL */
} sph_op_type;

#define SPH_OP_USES 4

struct sph_op {
    const sph_op_type *type;
    struct sph_engine *engine;
    _Atomic(sph_error *) error; /* set: it failed */
    atomic_bool cancelled;
    bool started, done, abandoned;
    unsigned refs;           /* loop thread only */
    struct sph_task *waiter; /* or NULL */
    struct sph_object *uses[SPH_OP_USES];
    void *arena;                       /* linked blocks from sph_op_bytes */
    sph_post post;                     /* completion */
    sph_op *next_job;                  /* in the workers' queue */
    sph_op *prev_flight, *next_flight; /* the engine's list of operations in flight */
    atomic_uint_least64_t progress_done, progress_total;
    atomic_bool progress_posted;
    sph_post progress_post;
    atomic_uint_least64_t progress_due; /* ms; it is reported at most 10 times a second */
    uint64_t told_done, told_total;     /* what the last report said */
    int half_told;                      /* of fault.h */
    struct lua_State *progress_thread;  /* holds the Lua function, anchored by the anchor; or NULL */
    void **anchor;                      /* the userdata's content while it holds its reference */
};

/* Pushes the anchor; returns zeroed memory of `size` bytes that begins with the sph_op. Raises when the task
 * is cancelled (a checkpoint), when Lua cannot wait here, or when memory is out. */
SPH_LJMP void *sph_op_new(struct lua_State *L, const sph_op_type *type, size_t size);
/* Memory that lives as long as the operation, zeroed. */
SPH_LJMP void *sph_op_bytes(struct lua_State *L, sph_op *op, size_t size);
/* A copy of the string at idx, NUL-terminated; NULL for nil or none; raises on other types or embedded NULs.
 */
SPH_LJMP const char *sph_op_string(struct lua_State *L, sph_op *op, int idx);
/* The same for a string of bytes with its length. */
SPH_LJMP const void *sph_op_data(struct lua_State *L, sph_op *op, int idx, size_t *length);
/* The object stays open and alive until the operation is done. */
void sph_op_use(sph_op *op, struct sph_object *object);
/* Field `progress` of the options table at idx (may be nil or none): function(done, total) called on the loop
 * thread, at most 10 times a second and once at the end; it cannot wait; a raise in it cancels the operation
 * and becomes its error. */
SPH_LJMP void sph_op_progress_option(struct lua_State *L, sph_op *op, int idx);
/* Starts it and waits. `return sph_op_await(L, op);` */
SPH_LJMP int sph_op_await(struct lua_State *L, sph_op *op);

/* Any thread, while it runs: */
void sph_op_fail(sph_op *op, sph_error *error); /* takes the error; the first one counts */
/* rc < 0 becomes an error of the operation's name; returns rc. */
int sph_op_check(sph_op *op, int rc, const char *fmt, ...) SPH_PRINTF(3, 4);
bool sph_op_is_cancelled(const sph_op *op);
void sph_op_progress(sph_op *op, uint64_t done, uint64_t total);
/* Exactly once for a `start` operation (a `run` one is completed when run returns). */
void sph_op_complete(sph_op *op);

/* Loop thread. Starts one that nobody waits for (an embedded one, a deferred shutdown). */
void sph_op_launch(sph_op *op, struct sph_engine *engine, const sph_op_type *type);
void sph_op_cancel(sph_op *op);

#endif
