/* Versions, and what an engine is made with. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void versions(void) {
    CHECK_TEXT(SIPHON_VERSION, siphon_version());
    CHECK(siphon_version_num() == SIPHON_VERSION_NUM);
    CHECK(SIPHON_AT_LEAST(0, 1, 0));
    CHECK(!SIPHON_AT_LEAST(99, 0, 0));
    char text[32];
    unsigned n = siphon_version_num();
    snprintf(text, sizeof text, "%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
    CHECK_TEXT(SIPHON_VERSION, text);
}

/* A program that was built with a later header works as long as it uses nothing of it. */
static void later_options(void) {
    struct {
        siphon_options known;
        void *later;
    } options = {SIPHON_OPTIONS_INIT, NULL};
    options.known.struct_size = sizeof options;
    siphon_engine *engine = NULL;
    siphon_error *error = NULL;
    CHECK(siphon_engine_new(&engine, &options.known, NULL) == 0);
    CHECK(siphon_engine_free(engine) == 0);
    options.later = &options;
    CHECK(siphon_engine_new(&engine, &options.known, &error) < 0);
    CHECK(engine == NULL);
    CHECK_TEXT("misuse", siphon_error_code(error));
    CHECK(strstr(siphon_error_message(error), "later version") != NULL);
    siphon_error_free(error);
    CHECK(siphon_engine_new(&engine, &options.known, NULL) < 0);
}

/* One of an earlier header has a shorter struct. */
static void earlier_options(void) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    options.struct_size = offsetof(siphon_options, lua_directory);
    options.lua_directory = "/nowhere"; /* lies behind its end */
    siphon_engine *engine;
    CHECK(siphon_engine_new(&engine, &options, NULL) == 0);
    siphon_engine_free(engine);
    CHECK(siphon_engine_new(&engine, NULL, NULL) == 0);
    siphon_engine_free(engine);
    CHECK(siphon_engine_free(NULL) == 0);
}

static void missing_files(void) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_engine *engine;
    siphon_error *error = NULL;
    options.lua_directory = "/nowhere";
    setenv("LUA_PATH", "", 1); /* or the tree's own are found by it */
    CHECK(siphon_engine_new(&engine, &options, &error) < 0);
    unsetenv("LUA_PATH");
    CHECK_TEXT("lua.error", siphon_error_code(error));
    CHECK(strstr(siphon_error_message(error), "/nowhere") != NULL);
    CHECK(strchr(siphon_error_message(error), '\n') == NULL);
    siphon_error_free(error);
}

static void own_modules(void) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_engine *engine;
    siphon_call *call;
    options.lua_path = "tests/lib/?.lua";
    CHECK(siphon_engine_new(&engine, &options, NULL) == 0);
    CHECK(siphon_call_start_lua(&call, engine, "return require('own').double(...)", "21", NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK_TEXT("42", siphon_call_result(call));
    siphon_engine_free(engine);
}

/* What a call may use is bounded, and the engine outlives one that asks for more. */
static void memory_limit(void) {
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_engine *engine;
    siphon_call *call;
    options.memory_limit = 4 << 20;
    CHECK(siphon_engine_new(&engine, &options, NULL) == 0);
    CHECK(siphon_call_start_lua(&call, engine, "return ('x'):rep(8 << 20)", NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(call) == SIPHON_FAILED);
    CHECK_TEXT("ENOMEM", siphon_error_code(siphon_call_error(call)));
    CHECK(siphon_call_start_lua(&call, engine, "return 1", NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK_TEXT("1", siphon_call_result(call));
    siphon_engine_free(engine);
}

/* In a child the engine's threads are missing: everything is refused there, and nothing hangs. */
static void after_fork(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    pid_t child = fork();
    if (child == 0) {
        siphon_call *call;
        siphon_error *error = NULL;
        bool refused = siphon_call_start(&call, engine, "plan", NULL, NULL, &error) < 0 &&
                       strcmp(siphon_error_code(error), "misuse") == 0 && siphon_step(engine, -1) < 0 &&
                       siphon_run(engine) < 0 && siphon_engine_free(engine) < 0;
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(siphon_engine_free(engine) == 0);
}

void test_options(void) {
    versions();
    later_options();
    earlier_options();
    missing_files();
    own_modules();
    memory_limit();
    after_fork();
}
