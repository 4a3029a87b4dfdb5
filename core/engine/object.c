#include "engine/internal.h"

#include <lauxlib.h>

#include <stdio.h>

void *sph_object_new(sph_engine *engine, const sph_object_type *type, size_t size, sph_object *parent) {
    sph_object *object = sph_alloc(size);
    if (!object)
        return NULL;
    object->type = type;
    object->engine = engine;
    object->refs = 1;
    object->parent = parent;
    if (parent)
        sph_object_ref(parent);
    object->next = engine->objects;
    if (object->next)
        object->next->prev = object;
    engine->objects = object;
    return object;
}

void sph_object_ref(sph_object *object) {
    object->refs++;
}

/* --- the end of an object ------------------------------------------------------------------------------- */

static void run_shutdown(sph_op *op) {
    sph_object *object = (sph_object *)((char *)op - offsetof(sph_object, shutdown_op));
    object->type->shutdown(object);
}

static void dispose(sph_object *object) {
    if (object->prev)
        object->prev->next = object->next;
    else
        object->engine->objects = object->next;
    if (object->next)
        object->next->prev = object->prev;
    sph_object *parent = object->parent;
    if (object->type->destroy)
        object->type->destroy(object);
    if (object->closer)
        sph_op_complete(object->closer);
    sph_free(object);
    if (parent)
        sph_object_unref(parent);
}

/* Nobody waits for most shutdowns, so what went wrong (a snapshot that could not be removed) becomes a warning. */
static void release_shutdown(sph_op *op) {
    if (op->error && op->engine->L) {
        lua_warning(op->engine->L, op->error->op, 1);
        lua_warning(op->engine->L, ": ", 1);
        lua_warning(op->engine->L, op->error->message, 0);
    }
    dispose((sph_object *)((char *)op - offsetof(sph_object, shutdown_op)));
}

static const sph_op_type shutdown_type = {.name = "shutdown",
                                          .flags = SPH_OP_SHIELDED | SPH_OP_EMBEDDED,
                                          .run = run_shutdown,
                                          .release = release_shutdown};

void sph_object_unref(sph_object *object) {
    if (--object->refs)
        return;
    if (object->type->shutdown)
        sph_op_launch(&object->shutdown_op, object->engine, &shutdown_type);
    else
        dispose(object);
}

/* --- close ---------------------------------------------------------------------------------------------- */

typedef struct {
    sph_op op;
    sph_object *object;
} close_op;

/* Gives up the userdata's reference. The closer waits on if that was the last one. */
static void give_up(sph_object *object) {
    if (object->refs > 1) {
        sph_op *closer = object->closer;
        object->closer = NULL;
        sph_op_complete(closer);
    }
    sph_object_unref(object);
}

void sph_object_let_go(sph_object *object) {
    bool close = --object->in_flight == 0 && object->closer;
    sph_object_unref(object);
    if (close) /* the userdata's reference is still there */
        give_up(object);
}

static void start_close(sph_op *op) {
    sph_object *object = ((close_op *)op)->object;
    object->closer = op;
    if (!object->in_flight)
        give_up(object);
}

static const sph_op_type close_type = {.name = "close", .flags = SPH_OP_SHIELDED, .start = start_close};

/*** object:close() -> true
 * Waits for the operations that use the object, then closes it; what was opened through it stays usable until
 * it is closed itself. A second close does nothing. The same happens at the end of a `<close>` variable. */
static int l_object_close(lua_State *L) {
    sph_object **box = lua_touserdata(L, 1);
    lua_settop(L, 1);
    if (!*box) {
        lua_pushboolean(L, 1);
        return 1;
    }
    close_op *op = sph_op_new(L, &close_type, sizeof *op);
    op->object = *box;
    *box = NULL;
    return sph_op_await(L, &op->op);
}

static int l_object_gc(lua_State *L) {
    sph_object **box = lua_touserdata(L, 1);
    sph_object *object = *box;
    if (!object)
        return 0;
    *box = NULL;
    if (object->type->shutdown && !object->engine->closing) {
        char text[200] = "";
        if (object->type->describe)
            object->type->describe(object, text, sizeof text);
        lua_warning(L, object->type->name, 1);
        lua_warning(L, " was not closed: ", 1);
        lua_warning(L, text, 0);
    }
    sph_object_unref(object);
    return 0;
}

static int l_object_tostring(lua_State *L) {
    sph_object **box = lua_touserdata(L, 1);
    luaL_getmetafield(L, 1, "__name");
    char text[200] = "";
    if (*box && (*box)->type->describe)
        (*box)->type->describe(*box, text, sizeof text);
    lua_pushfstring(L, "%s (%s)", lua_tostring(L, -1), *box ? text : "closed");
    return 1;
}

/* Upvalues: the methods, and the function for fields. */
static int l_object_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

void sph_object_register(lua_State *L, const sph_object_type *type, const luaL_Reg *methods,
                         int (*index)(lua_State *L)) {
    luaL_newmetatable(L, type->name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcfunction(L, l_object_close);
    lua_setfield(L, -2, "close");
    if (index) {
        lua_pushcfunction(L, index);
        lua_pushcclosure(L, l_object_index, 2);
    }
    lua_setfield(L, -2, "__index");
    static const luaL_Reg meta[] = {
        {"__close", l_object_close}, {"__gc", l_object_gc}, {"__tostring", l_object_tostring}, {NULL, NULL}};
    luaL_setfuncs(L, meta, 0);
    lua_pop(L, 1);
}

void sph_object_push(lua_State *L, sph_object *object) {
    sph_object **box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = NULL;
    luaL_setmetatable(L, object->type->name);
    *box = object;
    sph_object_ref(object);
}

void *sph_object_push_new(lua_State *L, const sph_object_type *type, size_t size, sph_object *parent) {
    sph_object **box = lua_newuserdatauv(L, sizeof *box, 1);
    *box = NULL;
    luaL_setmetatable(L, type->name);
    *box = sph_object_new(sph_engine_of(L), type, size, parent);
    if (!*box)
        sph_error_no_memory(L);
    return *box;
}

void *sph_object_test(lua_State *L, int idx, const sph_object_type *type) {
    sph_object **box = luaL_testudata(L, idx, type->name);
    if (!box)
        return NULL;
    if (!*box)
        sph_error_misuse(L, "closed", type->name, "it is closed already");
    return *box;
}

void *sph_object_check(lua_State *L, int idx, const sph_object_type *type) {
    luaL_checkudata(L, idx, type->name);
    return sph_object_test(L, idx, type);
}
