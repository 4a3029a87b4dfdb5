/* Calls: arguments, results, events, and how they end. */
#include "check.h"

#include <string.h>

static void returns(siphon_engine *engine, const char *text, const char *arguments, const char *expected) {
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, text, arguments, NULL, NULL) == 0);
    CHECK(siphon_call_state(call) == SIPHON_RUNNING);
    CHECK(siphon_call_result(call) == NULL);
    CHECK(siphon_call_error(call) == NULL);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(call) == SIPHON_DONE);
    CHECK_TEXT(expected, siphon_call_result(call));
    CHECK(siphon_call_error(call) == NULL);
    siphon_call_free(call);
}

static void arguments_and_results(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    returns(engine, "return select('#', ...)", NULL, "0");
    returns(engine, "return select('#', ...)", "[]", "0");
    returns(engine, "return select('#', ...)", " [1, null, 3, null]", "4");
    returns(engine, "local a, b, c = ... return { a, tostring(b), c }", "[1, null, [2]]", "[1,\"nil\",[2]]");
    returns(engine, "return (...).size", "{\"size\": 9007199254740991}", "9007199254740991");
    returns(engine, "return ...", "\"text\"", "\"text\"");
    returns(engine, "return false", NULL, "false");
    returns(engine, "return nil", NULL, "null");
    returns(engine, "", NULL, "null");
    returns(engine, "return 1, 2", NULL, "1");
    returns(engine, "return math.maxinteger", NULL, "9223372036854775807");
    returns(engine, "siphon.task.sleep(0.001); return siphon.version", NULL, "\"" SIPHON_VERSION "\"");
    siphon_engine_free(engine);
}

static void by_name(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    CHECK(siphon_call_start(&call, engine, "units.parse_duration", "\"2h\"", NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK_TEXT("7200", siphon_call_result(call));
    const char *wrong[] = {"nonsense", "units", "units.nonsense.more", "", ".", "version"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(siphon_call_start(&call, engine, wrong[i], NULL, NULL, NULL) == 0);
        CHECK(siphon_run(engine) == 0);
        CHECK_TEXT("misuse", siphon_error_code(siphon_call_error(call)));
    }
    CHECK(siphon_call_start(&call, engine, "units.bytes", "{\"cut", NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK_TEXT("json.invalid", siphon_error_code(siphon_call_error(call)));
    siphon_engine_free(engine);
}

static void events(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, "print('one', 2); warn('three ', '\"four\"')", NULL, &w,
                                NULL) == 0);
    CHECK(siphon_call_user(call) == &w);
    CHECK(siphon_run(engine) == 0);
    CHECK(strstr(w.events, "\"event\":\"log\",\"message\":\"one\\t2\"") != NULL);
    CHECK(strstr(w.events, ",\"message\":\"three \\\"four\\\"\"}\n") != NULL);
    CHECK(w.ended == 1 && w.last == call);
    siphon_engine_free(engine);
}

/* Side by side, and ended in their own order. */
static void many(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *calls[50];
    for (int i = 0; i < 50; i++)
        CHECK(siphon_call_start_lua(&calls[i], engine,
                                    "local t = siphon.task; t.gather { function() t.sleep(0.001) end,"
                                    " function() t.sleep(0.002) end } return 'ok'",
                                    NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(w.ended == 50);
    for (int i = 0; i < 50; i++) {
        CHECK_TEXT("\"ok\"", siphon_call_result(calls[i]));
        if (i % 2)
            siphon_call_free(calls[i]);
    }
    siphon_engine_free(engine);
}

static void cancelled(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *waits, *busy, *early, *over;
    CHECK(siphon_call_start_lua(&early, engine, "print 'never'", NULL, NULL, NULL) == 0);
    siphon_cancel(early);
    CHECK(siphon_call_start_lua(&waits, engine,
                                "local undo <close> = setmetatable({}, { __close = function()"
                                " siphon.task.shield(siphon.task.sleep, 0.001) print 'undone' end })"
                                " siphon.task.sleep(3600)",
                                NULL, NULL, NULL) == 0);
    CHECK(siphon_call_start_lua(&over, engine, "return 1", NULL, NULL, NULL) == 0);
    CHECK(siphon_step(engine, 0) == 1);
    siphon_cancel(waits);
    CHECK(siphon_run(engine) == 0);
    siphon_cancel(over);
    CHECK(siphon_call_state(over) == SIPHON_DONE);
    CHECK(siphon_call_state(early) == SIPHON_CANCELLED);
    CHECK_TEXT("cancelled", siphon_error_code(siphon_call_error(early)));
    CHECK(siphon_call_state(waits) == SIPHON_CANCELLED);
    CHECK_TEXT("cancelled", siphon_error_code(siphon_call_error(waits)));
    CHECK(strstr(w.events, "undone") != NULL);
    CHECK(strstr(w.events, "never") == NULL);
    CHECK(siphon_call_start_lua(&busy, engine, "while true do end", NULL, NULL, NULL) == 0);
    siphon_cancel(busy);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(busy) == SIPHON_CANCELLED);
    siphon_engine_free(engine);
}

/* Freed while it runs: it ends, undone, and nobody is told. */
static void let_go(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    CHECK(siphon_step(engine, 0) == 1);
    siphon_call_free(call);
    siphon_call_free(NULL);
    CHECK(siphon_run(engine) == 0);
    CHECK(w.ended == 0);
    siphon_engine_free(engine);
}

/* What still runs when the engine is freed is cancelled and told of. */
static void freed_with_engine(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *running, *waiting;
    CHECK(siphon_call_start_lua(&running, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    CHECK(siphon_step(engine, 0) == 1);
    CHECK(siphon_call_start_lua(&waiting, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    CHECK(siphon_engine_free(engine) == 0);
    CHECK(w.ended == 2);
}

void test_calls(void) {
    arguments_and_results();
    by_name();
    events();
    many();
    cancelled();
    let_go();
    freed_with_engine();
}

void test_memory(void) {
    witness w = {0};
    siphon_call *call;
    siphon_engine *engine = new_engine(&w);
    NEED(engine);
    NEED(siphon_call_start_lua(&call, engine, "print 'x'; warn 'y'; siphon.task.sleep(0); return { ... }",
                               "[1, 2]", NULL, NULL) == 0);
    NEED(siphon_call_start_lua(&call, engine,
                               "return nil, siphon.error { code = 'a', message = 'b', where = { pool = 'p' },"
                               " cause = siphon.error { code = 'c' } }",
                               NULL, NULL, NULL) == 0);
    NEED(siphon_run(engine) == 0);
    siphon_string_free(siphon_error_json(siphon_call_error(call)));
    NEED(siphon_call_start(&call, engine, "units.bytes", "1", NULL, NULL) == 0);
    NEED(siphon_run(engine) == 0);
    NEED(siphon_call_start_lua(&call, engine, "siphon.task.sleep(3600)", NULL, NULL, NULL) == 0);
    siphon_step(engine, 0);
out:
    siphon_engine_free(engine);
}
