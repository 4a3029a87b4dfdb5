/* siphon_call: a Lua function that runs as a root task of the engine's.
 *
 * Thread: the engine's; siphon_cancel any. Ownership: the engine lists its calls; a call owns its strings and a
 * reference on its task. lua/siphon/embedded.lua turns JSON into arguments and the result into JSON. */
#include "lib/internal.h"

#include <lauxlib.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char module_key = 0; /* in the registry: the table that siphon.embedded is */

/* --- what Lua sees -------------------------------------------------------------------------------------- */

/* () -> the call whose task runs, or nil outside of tasks. Upvalue: the engine. */
static int l_caller(lua_State *L) {
    siphon_engine *engine = lua_touserdata(L, lua_upvalueindex(1));
    siphon_call *call = NULL;
    for (sph_task *task = sph_engine_current(engine->core); task; task = task->parent)
        call = task->owner;
    if (call)
        lua_pushlightuserdata(L, call);
    else
        lua_pushnil(L);
    return 1;
}

/* (json, call or nil): an event. Upvalue: the engine. What tells of a call is part of it, so the call is still there. */
static int l_emit(lua_State *L) {
    siphon_engine *engine = lua_touserdata(L, lua_upvalueindex(1));
    sph_lib_event(engine, lua_touserdata(L, 2), luaL_checkstring(L, 1));
    return 0;
}

void sph_lib_open(lua_State *L, siphon_engine *engine, const char *lua_path) {
    if (lua_path) {
        lua_getglobal(L, "package");
        lua_getfield(L, -1, "path");
        lua_pushfstring(L, "%s;%s", lua_tostring(L, -1), lua_path);
        lua_setfield(L, -3, "path");
        lua_pop(L, 2);
    }
    lua_getglobal(L, "require");
    lua_pushliteral(L, "siphon.embedded");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "open");
    lua_pushlightuserdata(L, engine);
    lua_pushcclosure(L, l_caller, 1);
    lua_pushlightuserdata(L, engine);
    lua_pushcclosure(L, l_emit, 1);
    lua_call(L, 2, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
}

/* --- its end -------------------------------------------------------------------------------------------- */

static void end(siphon_call *call, siphon_state state) {
    siphon_engine *engine = call->engine;
    call->state = state;
    engine->running--;
    call->next_ended = engine->ended;
    engine->ended = call;
}

/* (call, error) */
static int l_read_error(lua_State *L) {
    siphon_call *call = lua_touserdata(L, 1);
    sph_error_read(L, 2, &call->error);
    return 0;
}

static void no_memory(siphon_call *call) {
    sph_error_free(call->error);
    call->error = sph_error_errno(ENOMEM, "siphon", "this call was given up");
}

/* The task's results are on its stack: true and the result as JSON, or false and an error. */
static void task_ended(sph_task *task) {
    siphon_call *call = task->owner;
    lua_State *co = task->co, *L = sph_engine_lua(call->engine->core);
    if (!task->failed) {
        call->result = sph_strdup(lua_tostring(co, 2));
        if (!call->result)
            no_memory(call);
        end(call, call->result ? SIPHON_DONE : SIPHON_FAILED);
        return;
    }
    task->observed = true;
    bool read = lua_checkstack(co, 1) && lua_checkstack(L, 4);
    if (read) {
        lua_pushcfunction(L, l_read_error);
        lua_pushlightuserdata(L, call);
        lua_pushvalue(co, 2);
        lua_xmove(co, L, 1);
        read = lua_pcall(L, 2, 0, 0) == LUA_OK;
        if (!read)
            lua_pop(L, 1);
    }
    if (!read)
        no_memory(call);
    else if (!call->error)
        call->error = sph_error_new("lua.error", "lua", "it failed with an error that is no error object");
    end(call, task->cancelled_end ? SIPHON_CANCELLED : SIPHON_FAILED);
}

void sph_lib_drop(siphon_call *call) {
    siphon_engine *engine = call->engine;
    if (call->prev)
        call->prev->next = call->next;
    else
        engine->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        engine->last = call->prev;
    sph_task *task = atomic_load(&call->task);
    if (task)
        sph_task_unref(task);
    sph_free(call->what);
    sph_free(call->arguments);
    sph_free(call->result);
    sph_error_free(call->error);
    sph_free(call);
}

void sph_lib_tell(siphon_engine *engine) {
    siphon_call *call = engine->ended, *in_order = NULL;
    engine->ended = NULL;
    while (call) {
        siphon_call *next = call->next_ended;
        call->next_ended = in_order;
        in_order = call;
        call = next;
    }
    while ((call = in_order)) {
        in_order = call->next_ended; /* the program may free the call, and let go of others */
        call->told = true;
        if (call->let_go)
            sph_lib_drop(call);
        else if (engine->options.on_end)
            engine->options.on_end(call, engine->options.user);
    }
}

/* --- its beginning -------------------------------------------------------------------------------------- */

/* (call) */
static int l_begin(lua_State *L) {
    siphon_call *call = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key);
    lua_getfield(L, -1, call->is_text ? "call_text" : "call");
    lua_pushstring(L, call->what);
    lua_pushstring(L, call->arguments); /* nil for NULL */
    sph_task *task = sph_task_new(L, 3, true);
    sph_task_ref(task);
    task->owner = call;
    task->on_end = task_ended;
    atomic_store(&call->task, task);
    return 0;
}

static void begin(siphon_engine *engine, siphon_call *call) {
    lua_State *L = sph_engine_lua(engine->core);
    bool begun = false;
    if (!atomic_load(&call->cancelled)) {
        lua_pushcfunction(L, l_begin);
        lua_pushlightuserdata(L, call);
        begun = lua_pcall(L, 1, 0, 0) == LUA_OK;
        if (!begun) {
            lua_pop(L, 1);
            no_memory(call);
            end(call, SIPHON_FAILED);
            return;
        }
    }
    sph_free(call->what);
    sph_free(call->arguments);
    call->what = call->arguments = NULL;
    if (!begun) {
        call->error = sph_error_new("cancelled", "siphon", "it was cancelled before it began");
        end(call, SIPHON_CANCELLED);
    } else if (atomic_load(&call->cancelled)) { /* which found no task */
        sph_task_cancel(atomic_load(&call->task));
    }
}

void sph_lib_begin(siphon_engine *engine) {
    siphon_call *call = engine->last;
    while (call && call->prev && call->prev->what)
        call = call->prev;
    for (; call; call = call->next)
        if (call->what && call->state == SIPHON_RUNNING)
            begin(engine, call);
}

static int start(siphon_call **out, siphon_engine *engine, const char *what, bool is_text,
                 const char *arguments, void *user, siphon_error **error) {
    *out = NULL;
    if (getpid() != engine->pid) {
        sph_lib_give(error, sph_error_new("misuse", "siphon.call",
                                          "the engine is another process's: it cannot be used "
                                          "after a fork"));
        return -1;
    }
    siphon_call *call = sph_alloc(sizeof *call);
    if (call) {
        call->what = sph_strdup(what);
        call->arguments = sph_strdup(arguments);
    }
    if (!call || !call->what || (arguments && !call->arguments)) {
        if (call) {
            sph_free(call->what);
            sph_free(call->arguments);
            sph_free(call);
        }
        sph_lib_give(error, sph_error_errno(ENOMEM, "siphon.call", "cannot start a call"));
        return -1;
    }
    call->engine = engine;
    call->is_text = is_text;
    call->user = user;
    call->prev = engine->last;
    if (engine->last)
        engine->last->next = call;
    else
        engine->first = call;
    engine->last = call;
    engine->running++;
    sph_loop_wake(sph_engine_loop(engine->core));
    *out = call;
    return 0;
}

int siphon_call_start(siphon_call **out, siphon_engine *engine, const char *function, const char *arguments,
                      void *user, siphon_error **error) {
    return start(out, engine, function, false, arguments, user, error);
}

int siphon_call_start_lua(siphon_call **out, siphon_engine *engine, const char *text, const char *arguments,
                          void *user, siphon_error **error) {
    return start(out, engine, text, true, arguments, user, error);
}

/* --- what a program sees of it --------------------------------------------------------------------------- */

siphon_state siphon_call_state(const siphon_call *call) {
    return call->state;
}

const char *siphon_call_result(const siphon_call *call) {
    return call->result;
}

const siphon_error *siphon_call_error(const siphon_call *call) {
    return (const siphon_error *)call->error;
}

void *siphon_call_user(const siphon_call *call) {
    return call->user;
}

void siphon_cancel(siphon_call *call) {
    atomic_store(&call->cancelled, true);
    sph_task *task = atomic_load(&call->task);
    if (task)
        sph_task_interrupt(task);
}

void siphon_call_free(siphon_call *call) {
    if (!call)
        return;
    if (call->told) {
        sph_lib_drop(call);
        return;
    }
    call->let_go = true;
    siphon_cancel(call);
}
