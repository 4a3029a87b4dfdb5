/* Omap: an object's sorted map of keys to values, and its compare-and-swap.
 *
 * Every change is one atomic operation on one object. Erasure-coded pools have no omap (EOPNOTSUPP).
 *
 * Thread: workers. */
#ifndef SPH_CEPH_OMAP_H
#define SPH_CEPH_OMAP_H

#include "ceph/pool.h"

/* Parallel arrays of byte strings, as librados takes them. */
typedef struct {
    const char **keys, **values;
    size_t *key_sizes, *value_sizes;
    size_t count;
} sph_pairs;

typedef struct sph_omap_entry {
    char *key, *value;
    size_t key_size, value_size;
} sph_omap_entry;

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name;
    sph_pairs wanted; /* these keys; or, when there are none, */
    bool by_key;
    const char *after;  /* what follows this key, */
    const char *prefix; /* begins so, */
    uint64_t max;       /* and is no more than this */
    sph_omap_entry *entries;
    size_t count, room;
    bool more;
} sph_omap_get_op;

void sph_omap_get(sph_op *op);
void sph_omap_get_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *name;
    sph_pairs set, expect, remove; /* remove: keys only */
    bool exclusive;                /* the object must be new */
    bool must_exist;
} sph_omap_change_op;

/* Changes nothing and fails with code "rados.conflict" unless each key of `expect` has the value given there;
 * a key that is absent counts as "". */
void sph_omap_change(sph_op *op);

#endif
