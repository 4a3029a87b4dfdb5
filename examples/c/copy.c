/* A volume becomes a Glance image, and the program waits for it.
 *
 *   cc copy.c $(pkg-config --cflags --libs siphon) -o copy
 *   ./copy '{"source": "volumes/vm1", "target": "glance:golden", "pool": "images"}' */
#include <siphon.h>

#include <stdio.h>
#include <stdlib.h>

static int on_event(siphon_call *call, const char *json, void *user) {
    (void)call, (void)user;
    fprintf(stderr, "%s\n", json);
    return 0;
}

static void die(siphon_error *error) {
    fprintf(stderr, "copy: %s (%s)\n", siphon_error_message(error), siphon_error_code(error));
    siphon_error_free(error);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_engine *engine;
    siphon_call *call;
    siphon_error *error;
    if (argc != 2) {
        fprintf(stderr, "usage: copy OPTIONS, a JSON object with what siphon.copy takes\n");
        return EXIT_FAILURE;
    }
    options.on_event = on_event;
    if (siphon_engine_new(&engine, &options, &error) < 0)
        die(error);
    if (siphon_call_start(&call, engine, "copy", argv[1], NULL, &error) < 0)
        die(error);
    siphon_run(engine);

    int code = EXIT_FAILURE;
    if (siphon_call_state(call) == SIPHON_DONE) {
        printf("%s\n", siphon_call_result(call));
        code = EXIT_SUCCESS;
    } else {
        const siphon_error *why = siphon_call_error(call);
        fprintf(stderr, "copy: %s (%s)%s\n", siphon_error_message(why), siphon_error_code(why),
                siphon_error_retryable(why) ? "; it may work later" : "");
    }
    siphon_engine_free(engine);
    return code;
}
