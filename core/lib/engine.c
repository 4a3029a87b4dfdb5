/* siphon_engine: an engine that a C program drives.
 *
 * Thread: the one that calls; siphon_wake any. */
#include "lib/internal.h"

#include "bind/directory.h"
#include "bind/preload.h"

#include <lauxlib.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_LIMIT ((size_t)512 << 20)

const char *siphon_version(void) {
    return SIPHON_VERSION;
}

unsigned siphon_version_num(void) {
    return SIPHON_VERSION_NUM;
}

bool sph_lib_enter(const siphon_engine *engine) {
    return !engine->busy && getpid() == engine->pid;
}

/* --- events --------------------------------------------------------------------------------------------- */

void sph_lib_event(siphon_engine *engine, siphon_call *call, const char *json) {
    if (!engine->options.on_event || (call && call->let_go))
        return;
    if (engine->options.on_event(call, json, engine->options.user) && call)
        siphon_cancel(call);
}

/* A warning comes in pieces. What is too long is cut. */
static void warn(void *context, const char *piece, bool more) {
    siphon_engine *engine = context;
    size_t length = strlen(engine->warning);
    snprintf(engine->warning + length, sizeof engine->warning - length, "%s", piece);
    if (more)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char head[64];
    snprintf(head, sizeof head,
             "{\"event\":\"warning\",\"time\":%lld.%06ld,\"message\":", (long long)now.tv_sec,
             now.tv_nsec / 1000);
    sph_text text = {0};
    sph_text_add(&text, head);
    sph_text_add_json(&text, engine->warning);
    sph_text_add(&text, "}");
    engine->warning[0] = '\0';
    char *json = sph_text_take(&text);
    if (json)
        sph_lib_event(engine, NULL, json);
    sph_free(json);
}

/* --- making one ----------------------------------------------------------------------------------------- */

/* What the caller gave, in our struct. False when it is of a later version and asks for what this one has not. */
static bool read_options(siphon_options *ours, const siphon_options *theirs) {
    *ours = (siphon_options)SIPHON_OPTIONS_INIT;
    if (!theirs)
        return true;
    size_t known = theirs->struct_size < sizeof *ours ? theirs->struct_size : sizeof *ours;
    memcpy(ours, theirs, known);
    ours->struct_size = sizeof *ours;
    for (size_t i = known; i < theirs->struct_size; i++)
        if (((const char *)theirs)[i])
            return false;
    return true;
}

/* A host that loaded us with RTLD_LOCAL (a plugin, Python's ctypes) has Lua's symbols where the modules that Lua loads
 * (cjson, lyaml) do not see them. */
static void show_lua(void) {
    void *lua = dlopen("liblua5.4.so.0", RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
    if (lua)
        dlclose(lua);
}

typedef struct {
    siphon_engine *engine;
    const char *directory;
} setup;

static int l_set_up(lua_State *L) {
    const setup *s = lua_touserdata(L, 1);
    sph_preload(L, s->directory);
    sph_lib_open(L, s->engine, s->engine->options.lua_path);
    return 0;
}

static const char anchor = 0; /* where this library is */

static int set_up(siphon_engine *engine, siphon_error **error) {
    char directory[PATH_MAX], self[PATH_MAX] = "";
    Dl_info info;
    if (dladdr((void *)&anchor, &info) && info.dli_fname && !realpath(info.dli_fname, self))
        self[0] = '\0';
    sph_lua_directory(self, directory);
    setup s = {.engine = engine,
               .directory = engine->options.lua_directory ? engine->options.lua_directory : directory};
    lua_State *L = sph_engine_lua(engine->core);
    lua_pushcfunction(L, l_set_up);
    lua_pushlightuserdata(L, &s);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return 0;
    const char *message = lua_tostring(L, -1);
    bool memory = message && strcmp(message, "not enough memory") == 0;
    sph_lib_give(error, memory ? sph_error_errno(ENOMEM, "siphon.engine", "cannot make an engine")
                               : sph_error_new("lua.error", "siphon.engine",
                                               "siphon's Lua files in %s do not load: %s", s.directory,
                                               message ? message : "an error that is not a string"));
    return -1;
}

int siphon_engine_new(siphon_engine **out, const siphon_options *options, siphon_error **error) {
    *out = NULL;
    siphon_engine *engine = sph_alloc(sizeof *engine);
    if (!engine) {
        sph_lib_give(error, sph_error_errno(ENOMEM, "siphon.engine", "cannot make an engine"));
        return -1;
    }
    if (!read_options(&engine->options, options)) {
        sph_free(engine);
        sph_lib_give(
            error,
            sph_error_new(
                "misuse", "siphon.engine",
                "the options are of a later version of siphon.h than this library, which is " SIPHON_VERSION
                ", and use what it does not have"));
        return -1;
    }
    engine->pid = getpid();
    show_lua();
    size_t limit = engine->options.memory_limit;
    errno = 0;
    engine->core = sph_engine_new(&(sph_engine_options){.memory_limit = limit ? limit : MEMORY_LIMIT,
                                                        .interruptible = true,
                                                        .warn = warn,
                                                        .warn_context = engine});
    if (!engine->core) {
        sph_lib_give(error,
                     sph_error_errno(errno ? errno : ENOMEM, "siphon.engine", "cannot make an engine"));
        sph_free(engine);
        return -1;
    }
    if (set_up(engine, error) < 0) {
        sph_engine_free(engine->core);
        sph_free(engine);
        return -1;
    }
    engine->options.lua_directory = engine->options.lua_path = NULL;
    *out = engine;
    return 0;
}

int siphon_engine_free(siphon_engine *engine) {
    if (!engine)
        return 0;
    if (!sph_lib_enter(engine))
        return -1;
    engine->busy = true;
    while (engine->running || engine->ended) {
        for (siphon_call *call = engine->first; call;
             call = call->next) /* a callback may start another one */
            if (!atomic_load(&call->cancelled))
                siphon_cancel(call);
        sph_lib_begin(engine);
        sph_engine_step(engine->core, engine->ended ? 0 : -1);
        sph_lib_tell(engine);
    }
    engine->options.on_end = NULL;
    sph_engine_free(engine->core);
    engine->core = NULL;
    while (engine->first)
        sph_lib_drop(engine->first);
    sph_free(engine);
    return 0;
}

/* --- the loop ------------------------------------------------------------------------------------------- */

int siphon_fd(const siphon_engine *engine) {
    return sph_loop_fd(sph_engine_loop(engine->core));
}

int siphon_timeout_ms(siphon_engine *engine) {
    return sph_engine_timeout_ms(engine->core);
}

static int step(siphon_engine *engine, int timeout_ms) {
    if (!sph_lib_enter(engine))
        return -1;
    engine->busy = true;
    sph_lib_begin(engine);
    sph_engine_step(engine->core, engine->ended ? 0 : timeout_ms);
    sph_lib_tell(engine);
    engine->busy = false;
    return engine->running;
}

int siphon_step(siphon_engine *engine, int timeout_ms) {
    int running = step(engine, timeout_ms);
    atomic_store(&engine->woken, false);
    return running;
}

int siphon_run(siphon_engine *engine) {
    int running;
    do {
        running = step(engine, engine->running ? -1 : 0);
    } while (running > 0 && !atomic_exchange(&engine->woken, false));
    return running;
}

void siphon_wake(siphon_engine *engine) {
    atomic_store(&engine->woken, true);
    sph_loop_wake(sph_engine_loop(engine->core));
}
