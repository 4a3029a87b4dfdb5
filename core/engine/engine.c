#include "engine/internal.h"

#include <lauxlib.h>
#include <lualib.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define METATABLE "siphon.Engine"
#define HOOK_EVERY 10000 /* instructions; HAProxy measured no gain above 9,000 */
#define PATIENCE 3       /* cancellations that a busy task may swallow */

static const char registry_key = 0;

typedef struct {
    sph_engine engine;
    size_t memory, memory_limit; /* of the Lua state */
    void (*warn)(void *context, const char *text, bool more);
    void *warn_context;
    bool warnings_off, warning_goes_on;
} owning_engine;

sph_engine *sph_engine_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    sph_engine **box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return box ? *box : NULL;
}

sph_loop *sph_engine_loop(sph_engine *engine) {
    return engine->loop;
}

sph_task *sph_engine_current(sph_engine *engine) {
    return engine->current;
}

lua_State *sph_engine_lua(sph_engine *engine) {
    return engine->L;
}

void **sph_engine_slot_http(sph_engine *engine, void (*release)(void *)) {
    engine->http_release = release;
    return &engine->http;
}

/* --- interrupts ----------------------------------------------------------------------------------------- */

void sph_engine_interrupt(sph_engine *engine) {
    atomic_fetch_add(&engine->interrupts, 1);
    sph_loop_wake(engine->loop);
}

/* Whether there was one for code outside of tasks. */
static bool take_interrupt(sph_engine *engine) {
    unsigned n = atomic_load(&engine->interrupts);
    bool main = n != engine->interrupts_seen;
    if (!main && !atomic_exchange(&engine->roots_interrupted, false))
        return false;
    engine->interrupts_seen = n;
    for (sph_task *task = engine->roots, *next; task; task = next) {
        next = task->next;
        if ((main && task->main) || atomic_exchange(&task->interrupted, false))
            sph_task_cancel(task);
    }
    if (main && engine->awaited)
        sph_op_cancel(engine->awaited);
    return main;
}

static const char on_interrupt_key = 0;

static const struct {
    int number;
    const char *name;
} asking[] = {{SIGINT, "INT"}, {SIGTERM, "TERM"}, {SIGHUP, "HUP"}};

#define ASKING (sizeof asking / sizeof *asking)

void sph_engine_on_interrupt(lua_State *L, bool all) {
    bool given = lua_isfunction(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &on_interrupt_key);
    atomic_store(&sph_engine_of(L)->asks, !given ? 0 : all ? (1U << ASKING) - 1 : 1);
}

bool sph_engine_ask(sph_engine *engine, int number) {
    for (unsigned i = 0; i < ASKING; i++)
        if (asking[i].number == number && atomic_load(&engine->asks) & (1U << i)) {
            atomic_fetch_or(&engine->questions, 1U << i);
            sph_loop_wake(engine->loop);
            return true;
        }
    return false;
}

static void answer(sph_engine *engine, lua_State *L) {
    if (!atomic_load(&engine->questions) || !lua_checkstack(L, LUA_MINSTACK))
        return;
    unsigned questions = atomic_exchange(&engine->questions, 0);
    int top = lua_gettop(L);
    for (unsigned i = 0; i < ASKING; i++)
        if (questions & (1U << i) && lua_rawgetp(L, LUA_REGISTRYINDEX, &on_interrupt_key) == LUA_TFUNCTION) {
            lua_pushstring(L, asking[i].name);
            if (lua_pcall(L, 1, 0, 0) != LUA_OK)
                lua_warning(L, "the function for interrupts failed", 0);
        }
    lua_settop(L, top);
}

/* Runs every HOOK_EVERY instructions. A loop that swallows errors would swallow these for ever, if they
 * always came inside of its pcall: after a few, each single instruction raises, so that one lands outside. */
static void look_around(lua_State *L, lua_Debug *ar) {
    (void)ar;
    sph_engine *engine = sph_engine_of(L);
    if (!engine)
        return;
    bool interrupted = take_interrupt(engine);
    answer(engine, L);
    sph_task *task = engine->current;
    bool raise = task ? sph_task_is_cancelled(task) : interrupted && !engine->stepping;
    int every = raise && task && ++task->hook_raises > PATIENCE ? 1 : HOOK_EVERY;
    if (lua_gethookcount(L) != every)
        lua_sethook(L, look_around, LUA_MASKCOUNT, every);
    if (raise)
        sph_task_raise_cancelled(L);
}

void sph_engine_look_around(lua_State *L) {
    lua_sethook(L, look_around, LUA_MASKCOUNT, HOOK_EVERY);
}

/* --- steps ---------------------------------------------------------------------------------------------- */

void sph_engine_step(sph_engine *engine, int timeout_ms) {
    engine->stepping++;
    sph_loop_step(engine->loop, engine->ready ? 0 : timeout_ms);
    take_interrupt(engine);
    if (engine->L)
        answer(engine, engine->L);
    if (engine->L)
        sph_tasks_run(engine);
    engine->stepping--;
}

int sph_engine_timeout_ms(sph_engine *engine) {
    return engine->ready ? 0 : sph_loop_timeout_ms(engine->loop);
}

/* --- making one ----------------------------------------------------------------------------------------- */

static int set_up(sph_engine *engine) {
    engine->loop = sph_loop_new();
    if (!engine->loop)
        return -1;
    if (sph_workers_start(&engine->workers) == 0)
        return 0;
    sph_loop_free(engine->loop);
    return -1;
}

static void drain(sph_engine *engine) {
    while (engine->flight)
        sph_engine_step(engine, -1);
}

static void cancel_flights(sph_engine *engine) {
    for (sph_op *op = engine->flight; op; op = op->next_flight)
        if (!(op->type->flags & SPH_OP_SHIELDED))
            sph_op_cancel(op);
}

/* After Lua is gone: what it left in flight ends, then the threads. */
static void tear_down(sph_engine *engine) {
    engine->L = NULL;
    sph_tasks_forget(engine);
    cancel_flights(engine);
    drain(engine);
    if (engine->http)
        engine->http_release(engine->http);
    sph_workers_stop(&engine->workers);
    sph_loop_free(engine->loop);
    sph_free(engine);
}

/* An engine in somebody else's state ends with that state: this userdata was the first to get a finalizer, so
 * it is the last to be finalized. */
static int l_engine_gc(lua_State *L) {
    sph_engine **box = lua_touserdata(L, 1);
    sph_engine *engine = *box;
    if (engine && !engine->owns_state) {
        *box = NULL;
        engine->closing = true;
        tear_down(engine);
    }
    return 0;
}

/* Pushes the box that sph_engine_of finds. */
static sph_engine **new_box(lua_State *L) {
    sph_op_open(L);
    sph_engine **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, METATABLE)) {
        lua_pushcfunction(L, l_engine_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    return box;
}

sph_engine *sph_engine_attach(lua_State *L) {
    sph_engine *engine = sph_engine_of(L);
    if (engine)
        return engine;
    sph_engine **box = new_box(L);
    engine = sph_alloc(sizeof *engine);
    if (!engine || set_up(engine) < 0) {
        sph_free(engine);
        luaL_error(L, "siphon: no engine: out of memory or descriptors");
        return NULL;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    engine->L = lua_tothread(L, -1);
    *box = engine;
    lua_pop(L, 2);
    return engine;
}

static void *allocate(void *context, void *p, size_t old, size_t size) {
    owning_engine *own = context;
    if (!p)
        old = 0;
    if (size == 0) {
        own->memory -= old;
        sph_free(p);
        return NULL;
    }
    if (own->memory_limit && size > old && own->memory + (size - old) > own->memory_limit)
        return NULL;
    void *q = sph_realloc(p, size);
    if (q)
        own->memory = own->memory - old + size;
    return q;
}

static void warn_on_stderr(void *context, const char *text, bool more) {
    bool *goes_on = context;
    fprintf(stderr, "%s%s%s", *goes_on ? "" : "siphon: warning: ", text, more ? "" : "\n");
}

/* As lua.c's, but on from the start: a leaked handle should not pass in silence. */
static void warn(void *context, const char *text, int more) {
    owning_engine *own = context;
    bool control = !own->warning_goes_on && !more && *text == '@';
    if (control && strcmp(text, "@off") == 0)
        own->warnings_off = true;
    else if (control && strcmp(text, "@on") == 0)
        own->warnings_off = false;
    else if (!control && !own->warnings_off)
        own->warn(own->warn_context, text, more);
    own->warning_goes_on = more;
}

static int l_open(lua_State *L) {
    sph_engine *engine = lua_touserdata(L, 1);
    luaL_openlibs(L);
    *new_box(L) = engine;
    return 0;
}

sph_engine *sph_engine_new(const sph_engine_options *options) {
    owning_engine *own = sph_alloc(sizeof *own);
    if (!own)
        return NULL;
    sph_engine *engine = &own->engine;
    if (set_up(engine) < 0) {
        sph_free(own);
        return NULL;
    }
    engine->owns_state = true;
    own->memory_limit = options->memory_limit;
    own->warn = options->warn ? options->warn : warn_on_stderr;
    own->warn_context = options->warn ? options->warn_context : &own->warning_goes_on;
    lua_State *L = engine->L = lua_newstate(allocate, own);
    if (L) {
        lua_setwarnf(L, warn, own);
        if (options->interruptible)
            sph_engine_look_around(L);
        lua_pushcfunction(L, l_open);
        lua_pushlightuserdata(L, engine);
        if (lua_pcall(L, 1, 0, 0) == LUA_OK)
            return engine;
    }
    sph_engine_free(engine);
    return NULL;
}

void sph_engine_finish(sph_engine *engine) {
    engine->closing = true;
    for (sph_task *task = engine->roots, *next; task; task = next) {
        next = task->next;
        sph_task_cancel(task);
    }
    while (engine->roots) /* what they wait for under a shield, to undo something, is not cancelled */
        sph_engine_step(engine, -1);
    cancel_flights(engine);
    drain(engine);
}

void sph_engine_free(sph_engine *engine) {
    lua_State *L = engine->L;
    engine->closing = true;
    if (L) {
        sph_engine_finish(engine);
        lua_close(L);
    }
    tear_down(engine);
}
