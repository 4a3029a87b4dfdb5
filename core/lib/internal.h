/* What the files of libsiphon share. The engine of core/engine does the work; here is what a C program sees of it. */
#ifndef SPH_LIB_INTERNAL_H
#define SPH_LIB_INTERNAL_H

#include "engine/engine.h"
#include "engine/task.h"
#include "lib/text.h"
#include "siphon.h"

#include <stdatomic.h>
#include <sys/types.h>

#define SPH_WARNING_MAX 1024

struct siphon_engine {
    sph_engine *core;
    siphon_options
        options; /* its strings are gone: they are the caller's, for the time of siphon_engine_new */
    pid_t pid;   /* whose threads the engine's are */
    siphon_call *first, *last; /* all calls, in the order in which they were started */
    siphon_call *ended;        /* those of which nobody was told yet, the last one first */
    int running;
    bool busy; /* inside of a step: callbacks run */
    atomic_bool woken;
    char warning[SPH_WARNING_MAX]; /* the pieces so far */
};

struct siphon_call {
    siphon_engine *engine;
    siphon_call *prev, *next, *next_ended;
    char *what, *arguments; /* until it has begun; arguments may be NULL */
    bool is_text;           /* what: Lua, not a name */
    bool told;              /* the program knows that it has ended */
    bool let_go;            /* freed by its owner before that */
    siphon_state state;
    _Atomic(sph_task *) task; /* once it has begun; a reference */
    atomic_bool cancelled;
    char *result;
    sph_error *error;
    void *user;
};

/* Whether calls into the engine are possible here and now. */
bool sph_lib_enter(const siphon_engine *engine);
/* Tells the program; `call` may be NULL. */
void sph_lib_event(siphon_engine *engine, siphon_call *call, const char *json);

/* Sets up what calls need in the state; leaves nothing on the stack. */
SPH_LJMP void sph_lib_open(lua_State *L, siphon_engine *engine, const char *lua_path);
/* Begins those that were started since the last step. */
void sph_lib_begin(siphon_engine *engine);
/* Tells of those that have ended, and frees those that were let go. */
void sph_lib_tell(siphon_engine *engine);
void sph_lib_drop(siphon_call *call);

/* A siphon_error is the core's. */
void sph_lib_give(siphon_error **out, sph_error *error);

#endif
