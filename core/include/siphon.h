/* libsiphon: Ceph RBD volumes into Glance images, from inside of a program of yours. libsiphon(3) is the manual.
 *
 * An engine runs calls (a copy, a plan, any Lua function) side by side, on a loop that is the program's to drive:
 * wait in siphon_run, or mount siphon_fd in a loop of your own and call siphon_step. Arguments and results are
 * JSON; what happens meanwhile comes as events, one JSON object each.
 *
 * Rules:
 *   - An engine and its calls belong to one thread at a time. Any thread (and signal handler) may call siphon_cancel and
 *     siphon_wake. Several engines may live in a process, each in a thread of its own or all in one.
 *   - Callbacks run inside of siphon_step, siphon_run and siphon_engine_free. They may start, look at, cancel and free
 *     calls; they may not step, run or free the engine, and nothing may be thrown or longjmp'ed through them.
 *   - No fork with an engine: its threads, and Ceph's, are not in the child. There all of it is refused. fork and exec at
 *     once is fine, and so is an engine that is made in the child.
 *   - The library prints nothing, handles no signal, changes no signal mask but that of its own threads, and never ends
 *     the process.
 *
 * Strings are UTF-8. What a function hands out belongs to the object it was asked of, unless said otherwise. */
#ifndef SIPHON_H
#define SIPHON_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define SIPHON_VERSION "0.1.0"
#define SIPHON_VERSION_NUM 0x000100 /* a byte each: major, minor, patch */
/* Whether the header is that version or a later one. */
#define SIPHON_AT_LEAST(major, minor, patch) (SIPHON_VERSION_NUM >= ((major) << 16 | (minor) << 8 | (patch)))

/* The same of the library that runs. */
const char *siphon_version(void);
unsigned siphon_version_num(void);

typedef struct siphon_engine siphon_engine;
typedef struct siphon_call siphon_call;
typedef struct siphon_error siphon_error;

/* --- errors ---------------------------------------------------------------------------------------------------
 * A function that can fail returns a number below 0 and, where it has a parameter for one, an error object that the
 * caller frees. NULL may be given there. */

void siphon_error_free(siphon_error *error);
/* "ENOENT", "glance.conflict", "policy.no_route", "cancelled": stable, for programs. */
const char *siphon_error_code(const siphon_error *error);
/* What failed: "rbd.snap_create"; may be "". */
const char *siphon_error_op(const siphon_error *error);
/* One line for people: what went wrong, and what to do next where that is known. */
const char *siphon_error_message(const siphon_error *error);
/* A positive errno, or 0. */
int siphon_error_errno(const siphon_error *error);
/* Whether the same may work later. */
int siphon_error_retryable(const siphon_error *error);
/* The place: key is cluster, pool, namespace, image, snapshot, object, image_id or url. NULL where it has none. */
const char *siphon_error_where(const siphon_error *error, const char *key);
/* The status of an HTTP answer, or 0, and the request id in it, or "". */
int siphon_error_http_status(const siphon_error *error);
const char *siphon_error_request_id(const siphon_error *error);
/* What brought it about, or NULL. */
const siphon_error *siphon_error_cause(const siphon_error *error);
/* All of it as one JSON object, as in events; free it with siphon_string_free. NULL when memory is out. */
char *siphon_error_json(const siphon_error *error);
void siphon_string_free(char *string);

/* --- engines -------------------------------------------------------------------------------------------------- */

/* What an engine is made with. Begin with SIPHON_OPTIONS_INIT: fields that later versions add are then as they were. */
typedef struct siphon_options {
    size_t struct_size;
    /* What its Lua may use, in bytes; 0: 512 MiB. */
    size_t memory_limit;
    /* Where siphon's Lua files are; NULL: where they were installed. */
    const char *lua_directory;
    /* Where `require` looks for modules of your own: templates as in Lua's package.path. May be NULL. */
    const char *lua_path;
    /* An event: see siphon-events(7). Those of no job are log, which `print` and a policy's siphon.log become, and
     * warning. `json` is valid during the call of the function. `call` is the one that it came from, or NULL.
     * Anything but 0 cancels that call. */
    int (*on_event)(siphon_call *call, const char *json, void *user);
    /* A call has ended. It may be freed here. */
    void (*on_end)(siphon_call *call, void *user);
    /* Handed to both. */
    void *user;
} siphon_options;

#define SIPHON_OPTIONS_INIT                                                                                  \
    { sizeof(siphon_options), 0, NULL, NULL, NULL, NULL, NULL }

/* Makes an engine; options may be NULL. 0, or below 0 with an error of code "misuse", "ENOMEM", "EMFILE" or
 * "lua.error" (its Lua files are missing, or do not load). */
int siphon_engine_new(siphon_engine **out, const siphon_options *options, siphon_error **error);
/* Cancels what still runs, waits until it has undone what it did, and frees the engine with all of its calls. 0, or
 * below 0 when that is not possible (inside of a callback, or after a fork) and nothing was done. NULL is ignored. */
int siphon_engine_free(siphon_engine *engine);

/* --- calls ---------------------------------------------------------------------------------------------------- */

/* Starts a function of siphon's Lua module, by its name there: "copy", "plan", "policies.list". It begins in the next
 * step. `arguments` is JSON: a list has the arguments, anything else is the only one, NULL is none. The first result,
 * as JSON, is the call's. `user` is for siphon_call_user. 0, or below 0 with an error of code "ENOMEM" or "misuse";
 * whatever is wrong with the name or the arguments fails the call. */
int siphon_call_start(siphon_call **out, siphon_engine *engine, const char *function, const char *arguments,
                      void *user, siphon_error **error);
/* Starts a piece of Lua, which gets the arguments as `...` and the module as the global `siphon`. What it returns first
 * is the result; nil and an error object, and a raise, fail the call. */
int siphon_call_start_lua(siphon_call **out, siphon_engine *engine, const char *text, const char *arguments,
                          void *user, siphon_error **error);

typedef enum {
    SIPHON_RUNNING,
    SIPHON_DONE,
    SIPHON_FAILED,
    SIPHON_CANCELLED /* as siphon_cancel asked; what it began has been undone */
} siphon_state;

siphon_state siphon_call_state(const siphon_call *call);
/* JSON, once it is done; NULL before, and when it failed. */
const char *siphon_call_result(const siphon_call *call);
/* Why it failed or was cancelled; NULL otherwise. */
const siphon_error *siphon_call_error(const siphon_call *call);
void *siphon_call_user(const siphon_call *call);
/* Frees one that has ended. One that runs is cancelled, ends unobserved (no callback any more), and is freed then. NULL
 * is ignored. */
void siphon_call_free(siphon_call *call);

/* Asks a call to end: it undoes what it did and then ends, cancelled. One that has ended stays as it is. Any thread, and
 * signal handlers, as long as nobody frees the call meanwhile. */
void siphon_cancel(siphon_call *call);

/* --- the loop ------------------------------------------------------------------------------------------------- */

/* Readable when there is something to do: for poll, select, epoll. It is the engine's; do not read or close it. */
int siphon_fd(const siphon_engine *engine);
/* Milliseconds after which siphon_step is due although the descriptor is not readable; -1: no such time. To be asked anew
 * before each wait. */
int siphon_timeout_ms(siphon_engine *engine);
/* Waits up to timeout_ms (0: not at all; -1: for ever) for something to do, and does it. The number of calls that run, or
 * below 0 when it cannot be called here (inside of a callback, or after a fork). */
int siphon_step(siphon_engine *engine, int timeout_ms);
/* Steps until no call runs (0), or until siphon_wake (the number of calls that run). Below 0 as with siphon_step. */
int siphon_run(siphon_engine *engine);
/* Ends the siphon_step or siphon_run under way, or else the next one. Any thread, and signal handlers. */
void siphon_wake(siphon_engine *engine);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
