/* Errors: one object with the same fields in C, in Lua and in JSON (code, op, message, errno, where, http,
 * retryable, cause). Expected failure travels as such an object; misuse raises.
 *
 * Thread: any for making one, the loop thread for pushing it into Lua. Whoever is handed one owns it. */
#ifndef SPH_ERROR_H
#define SPH_ERROR_H

#include <stdbool.h>

struct lua_State;

/* Marks a function that may longjmp out by raising a Lua error: its caller must not hold anything that only C
 * can free. */
#define SPH_LJMP

#ifdef __GNUC__
#define SPH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SPH_PRINTF(fmt, args)
#endif

/* The keys of `where`, in the order in which they are printed. */
typedef enum {
    SPH_WHERE_CLUSTER,
    SPH_WHERE_POOL,
    SPH_WHERE_NAMESPACE,
    SPH_WHERE_IMAGE,
    SPH_WHERE_SNAPSHOT,
    SPH_WHERE_OBJECT,
    SPH_WHERE_IMAGE_ID,
    SPH_WHERE_URL,
    SPH_WHERE_COUNT
} sph_where;

typedef struct sph_error {
    char code[40];       /* "ENOENT", "glance.conflict", "cancelled" */
    char op[40];         /* "rbd.snap_create" */
    char *message;       /* one line: what went wrong, and what to do next when we know */
    int errnum;          /* positive errno, or 0 */
    int http_status;     /* or 0 */
    char request_id[64]; /* x-openstack-request-id, or "" */
    bool retryable;
    char *where[SPH_WHERE_COUNT];
    struct sph_error *cause;
} sph_error;

/* Never NULL: when memory is out, a static error of code "ENOMEM" is returned. */
sph_error *sph_error_new(const char *code, const char *op, const char *fmt, ...) SPH_PRINTF(3, 4);

/* From an errno, of either sign (Ceph returns them negative; this is the one place that turns them). The
 * message becomes "<fmt>: <text of the errno>"; retryable follows from the errno. */
sph_error *sph_error_errno(int errnum, const char *op, const char *fmt, ...) SPH_PRINTF(3, 4);

/* Adds a fact; NULL or "" is ignored, and so is a lack of memory. Returns e. */
sph_error *sph_error_where(sph_error *e, sph_where key, const char *value);

/* e now owns cause. Returns e. */
sph_error *sph_error_caused_by(sph_error *e, sph_error *cause);

void sph_error_free(sph_error *e);
/* "pool" for SPH_WHERE_POOL. */
const char *sph_where_name(sph_where key);

/* "ENOENT" for 2 or -2; "E<number>" for one that has no name here. */
const char *sph_errno_code(int errnum, char buffer[16]);

/* Pushes the Lua form: a table with metatable siphon.Error. */
SPH_LJMP void sph_error_push(struct lua_State *L, const sph_error *e);
/* The reverse: *slot becomes the error that the value at idx is, causes included; of a string it becomes its
 * message. *slot owns what is there by then also when this raises for a lack of memory. */
SPH_LJMP void sph_error_read(struct lua_State *L, int idx, sph_error **slot);
/* Raises misuse as an error object with code "misuse" (a closed handle, a place where Lua cannot wait). */
SPH_LJMP int sph_error_misuse(struct lua_State *L, const char *code, const char *op, const char *fmt, ...)
    SPH_PRINTF(4, 5);
/* Raises Lua's own error for that. */
SPH_LJMP _Noreturn void sph_error_no_memory(struct lua_State *L);
/* Makes the metatable and leaves the constructor `error(table) -> error object` on the stack. */
SPH_LJMP void sph_error_open(struct lua_State *L);

#endif
