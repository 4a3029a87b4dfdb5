/* What the files of the engine share and nobody else sees. */
#ifndef SPH_ENGINE_INTERNAL_H
#define SPH_ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/task.h"

#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    sph_op *first, *last;
    unsigned threads, idle, queued;
    bool stopping;
    pthread_t *ids;
} sph_workers;

struct sph_engine {
    lua_State *L; /* the state's main thread; NULL once Lua is gone */
    sph_loop *loop;
    sph_workers workers;
    sph_op *flight;      /* operations in flight */
    sph_object *objects; /* live objects */
    sph_task *current;   /* the task whose Lua code runs now */
    sph_task *ready, *ready_last;
    sph_task *roots;   /* tasks without a parent */
    sph_op *awaited;   /* what the code outside of tasks waits for */
    unsigned stepping; /* inside sph_engine_step */
    atomic_uint interrupts;
    unsigned interrupts_seen;
    atomic_bool roots_interrupted; /* one of them is */
    atomic_uint asks;              /* the signals, as bits, that there is a Lua function for */
    atomic_uint questions;         /* the signals that came, as bits */
    bool owns_state, closing;
    void *http;
    void (*http_release)(void *);
};

int sph_workers_start(sph_workers *workers);
void sph_workers_add(sph_engine *engine, sph_op *op);
void sph_workers_stop(sph_workers *workers);

void sph_op_ref(sph_op *op);
void sph_op_unref(sph_op *op);
SPH_LJMP void sph_op_open(lua_State *L); /* makes the anchor's metatable */

/* An operation that used the object has ended: a close that waited for that goes on. */
void sph_object_let_go(sph_object *object);

/* Raises when L cannot wait here, or when its task is cancelled and the operation is not shielded. */
SPH_LJMP void sph_task_checkpoint(lua_State *L, const char *op, unsigned flags);
void sph_task_wake(sph_task *task);
SPH_LJMP int sph_task_raise_cancelled(lua_State *L);
void sph_tasks_run(sph_engine *engine);
void sph_tasks_forget(sph_engine *engine);

#endif
