/* A cluster: one RADOS connection. Worker threads run what is here. */
#include "ceph/cluster.h"

#include "ceph/conf.h"
#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void shut_down(sph_object *object) {
    sph_cluster *cluster = (sph_cluster *)object;
    if (cluster->rados)
        rados_shutdown(cluster->rados);
}

static void destroy(sph_object *object) {
    sph_free(((sph_cluster *)object)->name);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    const sph_cluster *cluster = (const sph_cluster *)object;
    snprintf(buffer, size, "%s as %s", cluster->fsid, cluster->name ? cluster->name : "?");
}

const sph_object_type sph_cluster_type = {
    .name = "siphon.rados.Cluster", .shutdown = shut_down, .destroy = destroy, .describe = describe};

/* --- connecting ----------------------------------------------------------------------------------------- */

const char *sph_address_plain(const char *address) {
    static const char *const protocols[] = {"v1:", "v2:", "any:"};
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strncmp(address, protocols[i], strlen(protocols[i])) == 0)
            return address + strlen(protocols[i]);
    return address;
}

/* What blocklists call this client: "192.0.2.7:0/1234567". */
static int find_address(sph_cluster *cluster) {
    char *addresses = NULL;
    int rc = rados_getaddrs(cluster->rados, &addresses);
    if (rc < 0)
        return rc;
    snprintf(cluster->address, sizeof cluster->address, "%s", sph_address_plain(addresses));
    rados_buffer_free(addresses);
    return 0;
}

void sph_cluster_connect(sph_op *op) {
    sph_connect_op *self = (sph_connect_op *)op;
    sph_cluster *cluster = self->cluster;
    if (sph_conf_apply(op, cluster, &self->options) < 0)
        return;
    int rc = rados_connect(cluster->rados);
    if (rc < 0) {
        sph_conf_explain(op, cluster, &self->options, rc);
        return;
    }
    rc = rados_cluster_fsid(cluster->rados, cluster->fsid, sizeof cluster->fsid);
    if (rc >= 0)
        rc = find_address(cluster);
    sph_ceph_check(op, rc, &(sph_place){.cluster = cluster}, NULL,
                   "connected, but the cluster does not say who it is");
    snprintf(cluster->client, sizeof cluster->client, "client.%" PRIu64,
             rados_get_instance_id(cluster->rados));
}

void sph_cluster_connect_release(sph_op *op) {
    sph_connect_op *self = (sph_connect_op *)op;
    if (self->cluster)
        sph_object_unref(&self->cluster->object);
}

/* --- what it knows -------------------------------------------------------------------------------------- */

void sph_cluster_stat(sph_op *op) {
    sph_cluster_stat_op *self = (sph_cluster_stat_op *)op;
    int rc = rados_cluster_stat(self->cluster->rados, &self->stat);
    sph_ceph_check(op, rc, &(sph_place){.cluster = self->cluster}, NULL,
                   "cannot ask for the cluster's space");
}

void sph_cluster_pools(sph_op *op) {
    sph_cluster_pools_op *self = (sph_cluster_pools_op *)op;
    rados_t rados = self->cluster->rados;
    const sph_place place = {.cluster = self->cluster};
    char *names = NULL;
    size_t size = 4096;
    int needed;
    for (;;) { /* pools may be made between the calls */
        char *more = sph_realloc(names, size);
        if (!more) {
            sph_ceph_no_memory(op);
            goto out;
        }
        names = more;
        needed = rados_pool_list(rados, names, size);
        if (sph_ceph_check(op, needed, &place, NULL, "cannot list the pools") < 0)
            goto out;
        if ((size_t)needed <= size)
            break;
        size = (size_t)needed + 256;
    }
    size_t count = 0;
    for (const char *name = names; *name; name += strlen(name) + 1)
        count++;
    self->pools = sph_alloc(count * sizeof *self->pools);
    if (!self->pools) {
        sph_ceph_no_memory(op);
        goto out;
    }
    for (const char *name = names; *name; name += strlen(name) + 1) {
        int64_t id = rados_pool_lookup(rados, name);
        if (id < 0) /* removed meanwhile */
            continue;
        self->pools[self->count].id = id;
        self->pools[self->count].name = sph_strdup(name);
        if (!self->pools[self->count++].name) {
            sph_ceph_no_memory(op);
            goto out;
        }
    }
out:
    sph_free(names);
}

void sph_cluster_pools_release(sph_op *op) {
    sph_cluster_pools_op *self = (sph_cluster_pools_op *)op;
    for (size_t i = 0; i < self->count; i++)
        sph_free(self->pools[i].name);
    sph_free(self->pools);
}

void sph_cluster_blocklist(sph_op *op) {
    sph_cluster_blocklist_op *self = (sph_cluster_blocklist_op *)op;
    const sph_place place = {.cluster = self->cluster};
    int rc = rados_blocklist_add(self->cluster->rados, self->address, self->seconds);
    if (sph_ceph_check(op, rc, &place, rc == -EINVAL ? "it looks like 192.0.2.7:0/1234567" : NULL,
                       "cannot bar the address %s", self->address) < 0)
        return;
    rc = rados_wait_for_latest_osdmap(self->cluster->rados);
    sph_ceph_check(op, rc, &place, NULL, "%s is barred, but the new map did not come", self->address);
}
