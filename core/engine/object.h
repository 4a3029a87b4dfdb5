/* Objects: C handles (a cluster, a pool, an image) that Lua holds through userdata.
 *
 * Each is reference-counted and keeps its parent alive (image -> pool -> cluster). References are held by the
 * userdata, by children and by operations in flight; when the last goes, `shutdown` runs on a worker thread.
 * close() from Lua waits for the operations in flight, then gives up the userdata's reference, and when that
 * was the last one waits for the shutdown too. Garbage collection never waits: it reports the leak and leaves
 * the shutdown to a worker.
 *
 * Thread: the loop thread for everything but `shutdown`. */
#ifndef SPH_OBJECT_H
#define SPH_OBJECT_H

#include "op.h"

typedef struct sph_object sph_object;

typedef struct sph_object_type {
    const char *name;                     /* the metatable's: "siphon.rbd.Image" */
    void (*shutdown)(sph_object *object); /* worker thread; may block; must tolerate a half-made object */
    void (*destroy)(sph_object *object);  /* frees the fields, not the object; may be NULL */
    void (*describe)(const sph_object *object, char *buffer, size_t size); /* "volumes/vm1@snap" */
} sph_object_type;

struct sph_object {
    const sph_object_type *type;
    struct sph_engine *engine;
    sph_object *parent;
    unsigned refs;
    unsigned in_flight;      /* operations that use it now */
    sph_op *closer;          /* waits for in_flight to become 0, or for the shutdown */
    sph_op shutdown_op;      /* embedded: shutting down never needs memory */
    sph_object *prev, *next; /* the engine's list of live objects */
};

/* With one reference, the caller's. NULL when memory is out. Takes a reference on parent (may be NULL). */
void *sph_object_new(struct sph_engine *engine, const sph_object_type *type, size_t size, sph_object *parent);
void sph_object_ref(sph_object *object);
void sph_object_unref(sph_object *object);

/* Makes the metatable: methods (with close added), __index, __close, __gc, __tostring. `index` may be NULL,
 * or a function (object, key) -> value for plain fields that never block and never fail; it is asked after
 * methods. */
struct luaL_Reg;
SPH_LJMP void sph_object_register(struct lua_State *L, const sph_object_type *type,
                                  const struct luaL_Reg *methods, int (*index)(struct lua_State *L));
/* Pushes a userdata that holds a new reference of its own. One userdata per object. */
SPH_LJMP void sph_object_push(struct lua_State *L, sph_object *object);
/* Makes an object and its userdata in one; the userdata's is the only reference. Raises when memory is out.
 */
SPH_LJMP void *sph_object_push_new(struct lua_State *L, const sph_object_type *type, size_t size,
                                   sph_object *parent);
/* The object at idx; raises on another type, and with code "closed" when it is closed. */
SPH_LJMP void *sph_object_check(struct lua_State *L, int idx, const sph_object_type *type);
/* The same, but NULL instead of a raise when the value is of another type. */
SPH_LJMP void *sph_object_test(struct lua_State *L, int idx, const sph_object_type *type);

#endif
