/* siphon.core.process: other programs.
 *
 * Thread: the loop thread. */
#include "bind/bind.h"
#include "bind/options.h"

#include "engine/process.h"

#include <lauxlib.h>
#include <unistd.h>

static int push_result(lua_State *L, sph_op *op) {
    const sph_process_op *self = (const sph_process_op *)op;
    lua_createtable(L, 0, 4);
    if (self->signal)
        lua_pushinteger(L, self->signal), lua_setfield(L, -2, "signal");
    else
        lua_pushinteger(L, self->code), lua_setfield(L, -2, "code");
    lua_pushlstring(L, self->output.bytes ? self->output.bytes : "", self->output.size);
    lua_setfield(L, -2, "output");
    lua_pushlstring(L, self->errors.bytes ? self->errors.bytes : "", self->errors.size);
    lua_setfield(L, -2, "errors");
    return 1;
}

static const sph_op_type run_type = {
    .name = "process.run", .run = sph_process_run, .push = push_result, .release = sph_process_release};

/*** process.run(arguments, options?) -> {code= or signal=, output=, errors=} | nil, err
 * Runs a program to its end, without a shell. `arguments` is a list of strings, the first of which is the
 * program, looked for on PATH. It reads nothing, inherits no open file, and is in a process group of its own,
 * so that a terminal's Ctrl-C is for siphon to hand on: cancelling sends the group SIGTERM, and SIGKILL two
 * seconds later. Of what it prints on its two outputs the first 64 KiB each are kept. progress function(done,
 * total): reads stdout for "(12.34/100%)", which `qemu-img -p` prints, instead of keeping it A program that
 * fails is a result, with its code; ENOENT when there is no such program. */
static int l_process_run(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    sph_options_check(L, 2, "progress", NULL);
    lua_Unsigned count = lua_rawlen(L, 1);
    luaL_argcheck(L, count > 0, 1, "a program is missing");
    sph_process_op *op = sph_op_new(L, &run_type, sizeof *op);
    op->arguments = sph_op_bytes(L, &op->op, (count + 1) * sizeof *op->arguments);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "a list of strings expected");
        op->arguments[i] = sph_op_string(L, &op->op, -1);
        lua_pop(L, 1);
    }
    op->environment = (const char **)environ;
    op->percentages = sph_option_push(L, 2, "progress") != LUA_TNIL;
    lua_pop(L, 1);
    sph_op_progress_option(L, &op->op, 2);
    return sph_op_await(L, &op->op);
}

int sph_open_process(lua_State *L) {
    static const luaL_Reg functions[] = {{"run", l_process_run}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
