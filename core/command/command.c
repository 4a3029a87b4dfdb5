/* siphon.command: what the `siphon` program wants of this module and nobody else does: to have a function run as the
 * main task of a process that is siphon's own. It is in core.so beside siphon.core, and the program loads it by name.
 *
 * The first interrupt cancels that task, so that a job undoes what it did; the second says that this is going
 * on; the third gives up and leaves things as they are. Where Lua has asked for Ctrl-C, as the REPL does, it is
 * Lua's, however often it comes; a worker asks for all of them. */
#include "engine/engine.h"
#include "engine/task.h"

#include <lauxlib.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

static sph_engine *_Atomic engine; /* NULL when there is nothing left to interrupt */
static volatile sig_atomic_t interrupts;

static void say(const char *text) {
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void interrupt(void) {
    sph_engine *ours = engine;
    if (ours)
        sph_engine_interrupt(ours);
}

static bool ask(int number) {
    sph_engine *ours = engine;
    return ours && sph_engine_ask(ours, number);
}

static void on_interrupt(int number) {
    if (ask(number))
        return;
    if (number ==
        SIGHUP) { /* comes more than once when a terminal is closed, and nobody insists on anything */
        interrupt();
        return;
    }
    switch (++interrupts) {
    case 1:
        interrupt();
        break;
    case 2:
        say("\nsiphon: undoing what was done; interrupt once more to leave it as it is\n");
        break;
    default:
        _exit(EXIT_INTERRUPTED);
    }
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away must not kill a job half-way */
}

static int l_run_task(lua_State *L) {
    sph_task *task = sph_task_new(L, lua_gettop(L), true);
    task->main = true;
    return sph_task_join(L, task);
}

/* (function, arguments...) -> what the function returned. What it raised is raised. */
static int l_command_run(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    sph_engine *ours = sph_engine_of(L);
    engine = ours;
    sph_engine_look_around(L);
    catch_signals();
    lua_pushcfunction(L, l_run_task);
    lua_insert(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    sph_engine_finish(ours);
    engine = NULL; /* it ends with the state, which the program closes next */
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

__attribute__((visibility("default"))) int luaopen_siphon_command(lua_State *L);

int luaopen_siphon_command(lua_State *L) {
    static const luaL_Reg functions[] = {{"run", l_command_run}, {NULL, NULL}};
    sph_engine_attach(L);
    luaL_newlib(L, functions);
    return 1;
}
