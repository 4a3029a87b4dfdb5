/* A program that loads libsiphon as a plugin system would: at run time, for itself alone, and knowing no Lua.
 *
 *   host LIBRARY FUNCTION [ARGUMENTS]    prints the result, or the error as JSON, then the number of events */
#include "siphon.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int events;

static int on_event(siphon_call *call, const char *json, void *user) {
    (void)call, (void)json, (void)user;
    events++;
    return 0;
}

/* ISO C has no way from dlsym's object pointer to a function pointer; POSIX has this one. */
#define FIND(name)                                                                                           \
    __typeof__(&(name)) p_##name;                                                                            \
    *(void **)&p_##name = dlsym(library, #name);                                                             \
    if (!p_##name) {                                                                                         \
        fprintf(stderr, "%s\n", dlerror());                                                                  \
        return 1;                                                                                            \
    }

int main(int argc, char **argv) {
    if (argc < 3)
        return 64;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    FIND(siphon_engine_new)
    FIND(siphon_engine_free)
    FIND(siphon_call_start)
    FIND(siphon_call_result)
    FIND(siphon_call_error)
    FIND(siphon_run)
    FIND(siphon_error_json)
    FIND(siphon_error_message)
    FIND(siphon_string_free)

    siphon_options options = SIPHON_OPTIONS_INIT;
    options.on_event = on_event;
    siphon_engine *engine;
    siphon_call *call;
    siphon_error *error = NULL;
    if (p_siphon_engine_new(&engine, &options, &error) < 0 ||
        p_siphon_call_start(&call, engine, argv[2], argv[3], NULL, &error) < 0) {
        fprintf(stderr, "%s\n", p_siphon_error_message(error));
        return 1;
    }
    p_siphon_run(engine);
    if (p_siphon_call_result(call)) {
        printf("%s\n", p_siphon_call_result(call));
    } else {
        char *json = p_siphon_error_json(p_siphon_call_error(call));
        printf("%s\n", json);
        p_siphon_string_free(json);
    }
    printf("%d events\n", events);
    p_siphon_engine_free(engine);
    dlclose(library);
    return 0;
}
