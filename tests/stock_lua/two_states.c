/* A program with two stock Lua states, each in a thread of its own, which both require siphon:
 *
 *   two-states SCRIPT ARGUMENT ARGUMENT
 *
 * runs the script in each, the one argument in its `arg[1]`. Prints what failed; the exit code tells how many did. */
#include <lauxlib.h>
#include <lualib.h>

#include <pthread.h>
#include <stdio.h>

typedef struct {
    const char *script, *argument;
    int failed;
} state;

static void *run(void *context) {
    state *s = context;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_createtable(L, 1, 0);
    lua_pushstring(L, s->argument);
    lua_rawseti(L, -2, 1);
    lua_setglobal(L, "arg");
    s->failed = luaL_dofile(L, s->script);
    if (s->failed)
        fprintf(stderr, "%s: %s\n", s->argument, luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 64;
    state states[] = {{.script = argv[1], .argument = argv[2]}, {.script = argv[1], .argument = argv[3]}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, run, &states[i]))
            return 70;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return states[0].failed + states[1].failed;
}
