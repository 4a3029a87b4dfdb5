/* Tasks: coroutines that the engine runs.
 *
 * A task has a parent (but for roots) and waits for its children before it ends. The first child that fails
 * cancels its parent, whose own end then is that child's error; a contained one (scope, timeout) reports to
 * whoever called it instead. Cancellation is a flag: it is raised at every checkpoint (each operation's
 * start, and the end of an operation that it stopped) until the task has ended, save in a shield.
 *
 * The body runs in lua_pcallk, so that its <close> variables may wait while an error unwinds. The engine
 * resumes tasks from the bottom of the C stack only.
 *
 * Thread: the loop thread. Ownership: a live task holds a reference on itself and, in the registry, on its
 * userdata, whose user value is the coroutine; the results stay on the coroutine's stack until they are
 * fetched. */
#ifndef SPH_TASK_H
#define SPH_TASK_H

#include "engine/op.h"

#include <lua.h>

typedef enum { SPH_TASK_RUNNING, SPH_TASK_ENDING, SPH_TASK_DONE } sph_task_state;

typedef struct sph_task {
    struct sph_engine *engine;
    lua_State *co;
    unsigned refs;
    struct sph_task *parent, *children, *prev, *next; /* next, prev: siblings */
    struct sph_task *next_ready;
    sph_task_state state;
    bool queued, started;
    bool contained;     /* a failure is the caller's, not the parent's */
    bool cancelled;     /* asked to end */
    bool timed_out;     /* by its own timer */
    bool failed;        /* ended by an error: its own, or a child's */
    bool cancelled_end; /* that error is the cancellation */
    bool has_culprit;   /* a child's failure is kept in the userdata */
    bool observed;      /* somebody saw how it ended */
    bool main;          /* an interrupt cancels it */
    unsigned shield;    /* how many shields are around what it does */
    unsigned shelter;   /* of those, how many are from outside of it: 0 or 1 */
    bool in_shield;     /* it was made in a shield of its parent's own */
    bool expired; /* its own time is over, or that of a task above it: no shield from outside of that helps */
    unsigned hook_raises; /* how often the cancellation was raised while it was busy */
    atomic_bool interrupted;
    void (*on_end)(struct sph_task *task); /* or NULL: it has ended; its results, or its error, are on `co` */
    void *owner;                           /* for on_end */
    sph_op *waiting;
    struct join_op *joiners;
    sph_timer timer;
} sph_task;

/* Makes a task from the function and arguments at the top of the stack (n values in all), pops them and
 * pushes the task's userdata. It is ready to run, as a child of the running task. */
SPH_LJMP sph_task *sph_task_new(lua_State *L, int n, bool contained);
/* The same, as a child of another task (NULL: of none) that has not ended yet. */
SPH_LJMP sph_task *sph_task_new_in(lua_State *L, int n, sph_task *parent, bool contained);
SPH_LJMP sph_task *sph_task_check(lua_State *L, int idx);
void sph_task_cancel(sph_task *task);
/* The same from any thread, and from signal handlers: it takes effect at the loop's next step, or the next time
 * that the engine looks around in busy Lua. For a root; whoever calls holds a reference. */
void sph_task_interrupt(sph_task *task);
void sph_task_ref(sph_task *task);
void sph_task_unref(sph_task *task);
/* "running", "done", "failed" or "cancelled". */
const char *sph_task_status(const sph_task *task);
/* Waits until it has ended; then its results, or its error raised. */
SPH_LJMP int sph_task_join(lua_State *L, sph_task *task);
/* The same for a scope: whoever called it leaves only when the scope has ended. With seconds >= 0 the scope
 * is cancelled then, and the answer is nil and an error of code "timeout". */
SPH_LJMP int sph_task_scope(lua_State *L, sph_task *task, double seconds);
/* The results or the raised error of a task that has ended. */
SPH_LJMP int sph_task_results(lua_State *L, sph_task *task);
/* Whether an operation of the task would be refused. */
bool sph_task_is_cancelled(const sph_task *task);
/* Message handler: makes an error object of a string, and adds the traceback. */
int sph_task_traceback(lua_State *L);
/* Makes the metatable with the given methods. */
struct luaL_Reg;
SPH_LJMP void sph_task_open(lua_State *L, const struct luaL_Reg *methods);

#endif
