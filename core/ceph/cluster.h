/* A cluster: one RADOS connection, with the user whose rights it has.
 *
 * Thread: the functions that take an operation block and run on worker threads; the rest is for any thread,
 * since the fields do not change once the connection is made. */
#ifndef SPH_CEPH_CLUSTER_H
#define SPH_CEPH_CLUSTER_H

#include "engine/object.h"

#include <rados/librados.h>

typedef struct sph_cluster {
    sph_object object;
    rados_t rados;
    char fsid[40];
    char address[160]; /* this client's own, as blocklists name it */
    char client[32];   /* "client.4123": this client's, as locks name it */
    char *name;        /* the user: "client.siphon" */
} sph_cluster;

extern const sph_object_type sph_cluster_type;

/* The address as blocklists and sph_cluster name it: without the protocol that some answers put before it. */
const char *sph_address_plain(const char *address);

typedef struct {
    const char *conf, *cluster, *name, *id, *keyring, *mon_host; /* NULL: as the environment says */
    double timeout, op_timeout;                                  /* seconds */
    const char **options;                                        /* name, value, ..., NULL */
} sph_connect_options;

typedef struct {
    sph_op op;
    sph_connect_options options;
    sph_cluster *cluster; /* made before the operation starts */
} sph_connect_op;

void sph_cluster_connect(sph_op *op);
void sph_cluster_connect_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_cluster *cluster;
    struct rados_cluster_stat_t stat;
} sph_cluster_stat_op;

void sph_cluster_stat(sph_op *op);

typedef struct {
    sph_op op;
    sph_cluster *cluster;
    size_t count;
    struct {
        int64_t id;
        char *name;
    } * pools;
} sph_cluster_pools_op;

void sph_cluster_pools(sph_op *op);
void sph_cluster_pools_release(sph_op *op);

typedef struct {
    sph_op op;
    sph_cluster *cluster;
    char *address;
    uint32_t seconds;
} sph_cluster_blocklist_op;

/* Bars the address, and waits until operations of this client follow the map that bars it. */
void sph_cluster_blocklist(sph_op *op);

#endif
