/* The engine: one Lua state, one loop, one set of worker threads, and the tasks that run on them.
 *
 * Thread: one at a time (whichever calls into Lua or sph_engine_step); sph_engine_interrupt from any thread
 * and from signal handlers. */
#ifndef SPH_ENGINE_H
#define SPH_ENGINE_H

#include "loop.h"
#include "memory.h"
#include "object.h"
#include "op.h"

#include <lua.h>

typedef struct sph_engine sph_engine;

typedef struct {
    size_t memory_limit; /* bytes that Lua may use; 0 = no limit */
    bool interruptible;  /* look for interrupts also while Lua is busy (a count hook) */
    /* Takes warnings, piece by piece: `more` says that another piece of the same one follows. NULL: stderr. */
    void (*warn)(void *context, const char *text, bool more);
    void *warn_context;
} sph_engine_options;

/* An engine with a Lua state of its own, the standard libraries open. NULL when memory is out. */
sph_engine *sph_engine_new(const sph_engine_options *options);
lua_State *sph_engine_lua(sph_engine *engine);
/* Gives L, a state of somebody else's, an engine that ends with it. Idempotent. */
SPH_LJMP sph_engine *sph_engine_attach(lua_State *L);
/* As `interruptible`, for a state of somebody else's: from now on in L and in the coroutines that it makes. */
void sph_engine_look_around(lua_State *L);
/* Refuses new work, cancels tasks, waits for what they undo, drains operations. Freeing, or closing the state, comes
 * after it. */
void sph_engine_finish(sph_engine *engine);
/* Finishes, closes the Lua state, drains again. */
void sph_engine_free(sph_engine *engine);

/* The engine that belongs to L. */
sph_engine *sph_engine_of(lua_State *L);
sph_loop *sph_engine_loop(sph_engine *engine);
/* The task whose Lua code runs now, or NULL. */
struct sph_task *sph_engine_current(sph_engine *engine);
/* Waits up to timeout_ms (-1 for ever) for something to do, then does it. */
void sph_engine_step(sph_engine *engine, int timeout_ms);
/* How long a step may be put off: milliseconds, or -1 until the loop's descriptor is readable. */
int sph_engine_timeout_ms(sph_engine *engine);
/* Cancels the main task, and what code outside of tasks waits for. Any thread, signal handlers too. */
void sph_engine_interrupt(sph_engine *engine);
/* Pops the Lua function, or nil, that is called instead when sph_engine_ask is: for all signals, or for SIGINT alone. */
SPH_LJMP void sph_engine_on_interrupt(lua_State *L, bool all);
/* Has that function called soon for SIGINT, SIGTERM or SIGHUP; false when there is none for it. Any thread, signal
 * handlers too. */
bool sph_engine_ask(sph_engine *engine, int signal);
/* A slot for a subsystem that keeps something per engine (curl's multi handle): `free` runs at shutdown. */
void **sph_engine_slot_http(sph_engine *engine, void (*release)(void *));

#endif
