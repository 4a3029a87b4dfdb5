/* What the Lua faces of siphon.rados and siphon.rbd share.
 *
 * Thread: the loop thread. Everything here may raise. */
#ifndef SPH_BIND_CEPH_H
#define SPH_BIND_CEPH_H

#include "ceph/features.h"
#include "ceph/image.h"

#include <lauxlib.h>
#include <lua.h>

/* The open handle at idx; raises on anything else. */
SPH_LJMP sph_cluster *sph_check_cluster(lua_State *L, int idx);
SPH_LJMP sph_pool *sph_check_pool(lua_State *L, int idx);
SPH_LJMP sph_image *sph_check_image(lua_State *L, int idx);

/* Starts op, which uses the object, and waits. The last thing to be done: an operation that uses an object
 * and whose arguments then raise would keep the object from being closed until the collector finds it. */
SPH_LJMP int sph_await(lua_State *L, sph_op *op, sph_object *object);

/* Cuts the stack to `args` values and makes an operation on the image at index 1, with that filled in. */
SPH_LJMP sph_image_op *sph_image_op_new(lua_State *L, const sph_op_type *type, int args);
SPH_LJMP int sph_image_op_await(lua_State *L, sph_image_op *op);

/* Pushes a handle and keeps `parent`, the value at that index, in its user value: that is its field `pool` or
 * `cluster`. */
SPH_LJMP void sph_push_child(lua_State *L, sph_object *object, int parent);

/* As sph_object_register, with methods from several files. The groups end with NULL. */
SPH_LJMP void sph_register_class(lua_State *L, const sph_object_type *type, const luaL_Reg *const *groups,
                                 int (*index)(lua_State *L));

/* A string that is not empty, copied for op. */
SPH_LJMP const char *sph_check_name(lua_State *L, sph_op *op, int idx);
/* An offset or a size: an integer of 0 or more. */
SPH_LJMP uint64_t sph_check_size(lua_State *L, int idx);

/* Field `key` of the options at idx, one of `names` (NULL ends them): its place among them; 0 when it is
 * nil. */
SPH_LJMP int sph_option_choice(lua_State *L, int idx, const char *key, const char *const *names);
/* Field `key` of the options at idx: a list of feature names, as bits. *given tells whether it is there. */
SPH_LJMP uint64_t sph_option_features(lua_State *L, int idx, const char *key, bool *given);
/* The fields of a new image that sph_image_options has, and the list of their names for sph_options_check. */
SPH_LJMP void sph_option_image(lua_State *L, sph_op *op, int idx, sph_image_options *options);
#define SPH_IMAGE_OPTION_NAMES "features", "order", "data_pool", "stripe_unit", "stripe_count"

/* The options skip_quiesce and ignore_quiesce_error, as librbd's RBD_SNAP_CREATE_ flags. */
SPH_LJMP uint32_t sph_option_snapshot_flags(lua_State *L, int idx);

/* Pushes the list of the names whose bits are set. */
SPH_LJMP void sph_push_bits(lua_State *L, const sph_bit_name *names, uint64_t bits);
SPH_LJMP void sph_set_string(lua_State *L, const char *key, const char *value); /* nothing for NULL and "" */
SPH_LJMP void sph_set_integer(lua_State *L, const char *key, uint64_t value);
SPH_LJMP void sph_set_boolean(lua_State *L, const char *key, bool value);

extern const luaL_Reg sph_cluster_command_methods[];
extern const luaL_Reg sph_pool_object_methods[];
extern const luaL_Reg sph_pool_omap_methods[];
extern const luaL_Reg sph_pool_lock_methods[];
extern const luaL_Reg sph_pool_watch_methods[];
SPH_LJMP void sph_open_cluster(lua_State *L);
SPH_LJMP void sph_open_pool(lua_State *L);
SPH_LJMP void sph_open_watch(lua_State *L);
SPH_LJMP int l_cluster_pool(lua_State *L);

extern const luaL_Reg sph_rbd_trash_functions[];
extern const luaL_Reg sph_image_io_methods[];
extern const luaL_Reg sph_image_info_methods[];
extern const luaL_Reg sph_image_snapshot_methods[];
extern const luaL_Reg sph_image_change_methods[];
extern const luaL_Reg sph_image_copy_methods[];
extern const luaL_Reg sph_image_osd_methods[];
extern const luaL_Reg sph_image_extent_methods[];
extern const luaL_Reg sph_image_metadata_methods[];
SPH_LJMP void sph_open_image(lua_State *L);
SPH_LJMP void sph_open_temporary_snapshot(lua_State *L);
SPH_LJMP int l_rbd_open(lua_State *L);
SPH_LJMP int l_image_temporary_snapshot(lua_State *L);

#endif
