/* siphon.readline: GNU readline's line editor for `siphon repl`, in a module of its own.
 *
 * GNU readline is under the GPL, version 3 or later, and so is whatever is linked with it: this module as it is
 * built, while this file itself is under siphon's licence. Nothing else of siphon links it; where the module is not
 * there, the REPL reads plain lines.
 *
 * It knows nothing of the loop or the engine. Whoever uses it waits until there is input (siphon.core.input), calls
 * read(), and so shares the terminal with everything else that goes on. There is one terminal, hence the statics.
 *
 * Thread: the loop thread. */
#include <lauxlib.h>
#include <lua.h>

#include <readline/history.h>
#include <readline/readline.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool prompting;        /* the handler is installed, the terminal is readline's */
    bool hidden;           /* between hide() and show() */
    bool ended, completed; /* a line is there, or the end of input */
    char *line;            /* readline's own malloc; NULL at the end of input */
    bool tab, tab_again;
    int keys;     /* the terminal once more, for reading without waiting; -1: it may not be opened */
    bool starved; /* get_key has found nothing since take_key */
} state;

/* How long the rest of what was begun (a character of several bytes, a pasted text) may stay away, in milliseconds. */
enum { PATIENCE = 250 };

/* Ctrl-C throws away what was typed before it, also between a look for input and the reading of it; readline would then
 * wait for a key, and the loop with it. So nothing here waits for long: a key that is gone is first a NUL, which inserts
 * nothing, then the end of what was begun. */
static int get_key(FILE *stream) {
    if (state.keys < 0)
        return rl_getc(stream);
    unsigned char key;
    struct pollfd input = {.fd = state.keys, .events = POLLIN};
    do {
        ssize_t got = read(state.keys, &key, 1);
        if (got > 0)
            return key;
        if (got == 0 || errno != EAGAIN)
            return EOF;
    } while (poll(&input, 1, PATIENCE) > 0);
    if (state.starved)
        return EOF;
    state.starved = true;
    return 0;
}

/* The first key goes to where readline looks before it calls get_key: at that place EOF would be Enter. */
static bool take_key(void) {
    state.starved = false;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 0) <= 0)
        return false;
    unsigned char key;
    ssize_t got = state.keys < 0 ? 0 : read(state.keys, &key, 1);
    if (got > 0)
        rl_stuff_char(key);
    return got >= 0 || errno != EAGAIN; /* at the end of input readline looks for itself, and finds it */
}

static void take_line(char *line) {
    free(state.line); /* kept until now, so that pushing it into Lua may raise */
    state.line = line;
    state.ended = !line;
    state.completed = true;
    rl_callback_handler_remove(); /* or the next prompt would show before the line was worked on */
    state.prompting = false;
}

/* Completion may have to wait for the cluster, which a function called by readline cannot. */
static int on_tab(int count, int key) {
    (void)count;
    (void)key;
    state.tab = true;
    state.tab_again = rl_last_func == on_tab;
    return 0;
}

/*** readline.prompt(text)
 * Shows the prompt and takes the terminal until a line is read. Bytes that take no room (colours) lie between \1 and
 * \2. */
static int l_readline_prompt(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    rl_callback_handler_install(text, take_line);
    state.prompting = true;
    state.hidden = false;
    return 0;
}

/*** readline.read() -> nil | "line", text | "complete", again | "end"
 * Takes what was typed, once there is input. nil: nothing came of it yet. "line": Enter was pressed (a pasted text may
 * hold newlines), and the terminal is given back. "complete": Tab was, `again` for a second time. "end": Ctrl-D on an
 * empty line, or the terminal is gone. */
static int l_readline_read(lua_State *L) {
    if (!state.prompting || !take_key())
        return 0;
    state.completed = state.tab = false;
    rl_callback_read_char();
    if (state.tab) {
        lua_pushliteral(L, "complete");
        lua_pushboolean(L, state.tab_again);
        return 2;
    }
    if (!state.completed)
        return 0;
    if (state.ended) {
        lua_pushliteral(L, "end");
        return 1;
    }
    lua_pushliteral(L, "line");
    lua_pushstring(L, state.line);
    return 2;
}

/*** readline.stop()
 * Gives the terminal back, whatever was typed. */
static int l_readline_stop(lua_State *L) {
    (void)L;
    if (state.prompting)
        rl_callback_handler_remove();
    state.prompting = false;
    return 0;
}

/*** readline.hide() -> boolean
 * Clears prompt and line from the screen, so that something can be printed there; whether there were any. */
static int l_readline_hide(lua_State *L) {
    bool shown = state.prompting && !state.hidden;
    if (shown) {
        rl_clear_visible_line();
        fflush(rl_outstream);
        state.hidden = true;
    }
    lua_pushboolean(L, shown);
    return 1;
}

/*** readline.show(prompt)
 * Draws them again, below; the prompt may be another one by now. */
static int l_readline_show(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    if (state.prompting && state.hidden) {
        rl_set_prompt(text);
        rl_on_new_line();
        rl_redisplay();
        state.hidden = false;
    }
    return 0;
}

/*** readline.list(text)
 * Prints below the line, which stays, and draws prompt and line again below that. */
static int l_readline_list(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    if (!state.prompting)
        return 0;
    int point = rl_point;
    rl_point = rl_end;
    rl_redisplay();
    fprintf(rl_outstream, "\n%s\n", text);
    rl_point = point;
    rl_on_new_line();
    rl_redisplay();
    return 0;
}

/*** readline.drop() -> boolean
 * Forgets the line, as Ctrl-C does: it stays on the screen with a ^C behind it, and the terminal is given back. False when
 * there was no prompt, and so no line. */
static int l_readline_drop(lua_State *L) {
    lua_pushboolean(L, state.prompting);
    if (!state.prompting)
        return 1;
    rl_callback_sigcleanup(); /* out of a search or a half-read key */
    rl_point = rl_end;
    rl_redisplay();
    fputs("^C\n", rl_outstream);
    rl_free_line_state();
    rl_replace_line("", 1);
    rl_callback_handler_remove();
    state.prompting = false;
    return 1;
}

/*** readline.buffer() -> text, point
 * What is on the line, and how many of its bytes lie before the cursor. */
static int l_readline_buffer(lua_State *L) {
    lua_pushlstring(L, rl_line_buffer ? rl_line_buffer : "", rl_line_buffer ? (size_t)rl_end : 0);
    lua_pushinteger(L, rl_point);
    return 2;
}

/*** readline.insert(text)
 * Writes at the cursor. */
static int l_readline_insert(lua_State *L) {
    const char *text = luaL_checkstring(L, 1);
    if (state.prompting) {
        rl_insert_text(text);
        rl_redisplay();
    }
    return 0;
}

/*** readline.ring()
 * The bell, as the terminal has it set. */
static int l_readline_ring(lua_State *L) {
    (void)L;
    rl_ding();
    return 0;
}

/*** readline.remember(line)
 * Adds a line to those that the arrow keys and Ctrl-R find. */
static int l_readline_remember(lua_State *L) {
    add_history(luaL_checkstring(L, 1));
    return 0;
}

/* `require "siphon.readline"` */
__attribute__((visibility("default"))) int luaopen_siphon_readline(lua_State *L);

int luaopen_siphon_readline(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"prompt", l_readline_prompt}, {"read", l_readline_read},         {"stop", l_readline_stop},
        {"hide", l_readline_hide},     {"show", l_readline_show},         {"list", l_readline_list},
        {"drop", l_readline_drop},     {"buffer", l_readline_buffer},     {"insert", l_readline_insert},
        {"ring", l_readline_ring},     {"remember", l_readline_remember}, {NULL, NULL}};
    state.keys = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    rl_readline_name = "siphon";
    rl_getc_function = get_key;
    rl_catch_signals = 0;     /* Ctrl-C is the loop's */
    signal(SIGTSTP, SIG_IGN); /* a job that is suspended loses its leases, and holds what others wait for */
    rl_initialize();
    rl_variable_bind("enable-bracketed-paste", "on");
    rl_bind_key_in_map('\t', on_tab, rl_get_keymap_by_name("emacs-standard"));
    rl_bind_key_in_map('\t', on_tab, rl_get_keymap_by_name("vi-insert"));
    luaL_newlib(L, functions);
    return 1;
}
