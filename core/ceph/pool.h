/* A pool: an ioctx, bound to one namespace.
 *
 * Every pool is in FULL_TRY mode: what writes to a full pool fails with EDQUOT or ENOSPC. Without it,
 * librados waits for room for as long as it takes, and no timeout ends that.
 *
 * Thread: as in cluster.h. */
#ifndef SPH_CEPH_POOL_H
#define SPH_CEPH_POOL_H

#include "ceph/cluster.h"

typedef struct sph_pool {
    sph_object object; /* its parent is the cluster */
    rados_ioctx_t io;
    int64_t id;
    char *name;
    char *namespace; /* "" for the default one */
} sph_pool;

extern const sph_object_type sph_pool_type;

static inline sph_cluster *sph_pool_cluster(const sph_pool *pool) {
    return (sph_cluster *)pool->object.parent;
}

/* Not open yet. NULL when memory is out. */
sph_pool *sph_pool_new(sph_cluster *cluster, const char *name, const char *namespace);

typedef struct {
    sph_op op;
    sph_pool *pool; /* made before the operation starts */
} sph_pool_open_op;

void sph_pool_open(sph_op *op);
void sph_pool_open_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    struct rados_pool_stat_t stat;
} sph_pool_stat_op;

void sph_pool_stat(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    uint64_t max_bytes, max_objects; /* 0: no limit */
} sph_pool_quota_op;

void sph_pool_quota(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    bool erasure_coded;
} sph_pool_kind_op;

void sph_pool_kind(sph_op *op);

typedef struct {
    sph_op op;
    sph_pool *pool;
    const char *prefix; /* or NULL */
    uint64_t max;
    char **names;
    size_t count;
} sph_pool_objects_op;

void sph_pool_objects(sph_op *op);
void sph_pool_objects_release(sph_op *op);

#endif
