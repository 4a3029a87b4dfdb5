/* Error objects: all fields, from Lua to C and as JSON. */
#include "check.h"

#include <string.h>

static const char fails[] =
    "return nil, siphon.error { code = 'EBUSY', op = 'rbd.remove', message = 'in \"use\"', errno = 16,"
    "  retryable = true, where = { pool = 'volumes', image = 'vm\\xff1' },"
    "  http = { status = 409, request_id = 'req-1' },"
    "  cause = siphon.error { code = 'ENOENT', message = 'not there' } }";

static void all_fields(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, fails, NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(call) == SIPHON_FAILED);
    CHECK(siphon_call_result(call) == NULL);
    const siphon_error *error = siphon_call_error(call);
    CHECK_TEXT("EBUSY", siphon_error_code(error));
    CHECK_TEXT("rbd.remove", siphon_error_op(error));
    CHECK_TEXT("in \"use\"", siphon_error_message(error));
    CHECK(siphon_error_errno(error) == 16);
    CHECK(siphon_error_retryable(error));
    CHECK_TEXT("volumes", siphon_error_where(error, "pool"));
    CHECK_TEXT("vm\xff"
               "1",
               siphon_error_where(error, "image"));
    CHECK(siphon_error_where(error, "snapshot") == NULL);
    CHECK(siphon_error_where(error, "nonsense") == NULL);
    CHECK(siphon_error_http_status(error) == 409);
    CHECK_TEXT("req-1", siphon_error_request_id(error));
    const siphon_error *cause = siphon_error_cause(error);
    CHECK_TEXT("ENOENT", siphon_error_code(cause));
    CHECK_TEXT("", siphon_error_op(cause));
    CHECK(!siphon_error_retryable(cause));
    CHECK(siphon_error_cause(cause) == NULL);
    char *json = siphon_error_json(error);
    CHECK_TEXT("{\"code\":\"EBUSY\",\"op\":\"rbd.remove\",\"message\":\"in "
               "\\\"use\\\"\",\"errno\":16,\"retryable\":true,"
               "\"where\":{\"pool\":\"volumes\",\"image\":\"vm\xef\xbf\xbd"
               "1\"},\"http\":{\"status\":409,\"request_id\":\"req-1\"},"
               "\"cause\":{\"code\":\"ENOENT\",\"message\":\"not there\",\"retryable\":false}}",
               json);
    siphon_string_free(json);
    siphon_engine_free(engine);
}

static void fails_with(siphon_engine *engine, const char *text, const char *code, const char *message) {
    siphon_call *call;
    CHECK(siphon_call_start_lua(&call, engine, text, NULL, NULL, NULL) == 0);
    CHECK(siphon_run(engine) == 0);
    CHECK(siphon_call_state(call) == SIPHON_FAILED);
    CHECK_TEXT(code, siphon_error_code(siphon_call_error(call)));
    if (!CHECK(strstr(siphon_error_message(siphon_call_error(call)), message) != NULL))
        CHECK_TEXT(message, siphon_error_message(siphon_call_error(call)));
    siphon_call_free(call);
}

static void whatever_is_raised(void) {
    witness w = {0};
    siphon_engine *engine = new_engine(&w);
    fails_with(engine, "error('a text', 0)", "lua.error", "a text");
    fails_with(engine, "error { code = 'mine', message = 'a table' }", "mine", "a table");
    fails_with(engine, "error()", "lua.error", "no error object");
    fails_with(engine, "error(print)", "lua.error", "no error object");
    fails_with(engine, "error { message = print, code = 7, cause = 'x' }", "error", "failed");
    fails_with(engine, "return nil, 'a text'", "lua.error", "a text");
    fails_with(engine, "local function", "script.syntax", "host:1:");
    fails_with(engine, "\x1bLua", "script.syntax", "binary");
    fails_with(engine, "return print", "misuse", "cannot be written as JSON");
    fails_with(engine, "return 0/0", "misuse", "NaN");
    fails_with(engine, "os.exit(1)", "misuse", "the host's");
    fails_with(engine, "siphon.task.spawn(error, 'of a child'); siphon.task.sleep(60)", "lua.error",
               "of a child");
    /* A chain without an end is cut. */
    fails_with(engine, "local e = siphon.error { code = 'ring', message = 'x' }; e.cause = e; error(e)",
               "ring", "x");
    siphon_engine_free(engine);
}

void test_errors(void) {
    all_fields();
    whatever_is_raised();
}
