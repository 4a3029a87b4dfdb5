/* A pool: an ioctx, bound to one namespace. Worker threads run the operations. */
#include "ceph/pool.h"

#include "ceph/command.h"
#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void shut_down(sph_object *object) {
    sph_pool *pool = (sph_pool *)object;
    if (pool->io)
        rados_ioctx_destroy(pool->io);
}

static void destroy(sph_object *object) {
    sph_pool *pool = (sph_pool *)object;
    sph_free(pool->name);
    sph_free(pool->namespace);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    const sph_pool *pool = (const sph_pool *)object;
    snprintf(buffer, size, "%s%s%s", pool->name, *pool->namespace ? "/" : "", pool->namespace);
}

const sph_object_type sph_pool_type = {
    .name = "siphon.rados.Pool", .shutdown = shut_down, .destroy = destroy, .describe = describe};

sph_pool *sph_pool_new(sph_cluster *cluster, const char *name, const char *namespace) {
    sph_pool *pool = sph_object_new(cluster->object.engine, &sph_pool_type, sizeof *pool, &cluster->object);
    if (!pool)
        return NULL;
    pool->name = sph_strdup(name);
    pool->namespace = sph_strdup(namespace);
    if (pool->name && pool->namespace)
        return pool;
    sph_object_unref(&pool->object);
    return NULL;
}

void sph_pool_open(sph_op *op) {
    sph_pool *pool = ((sph_pool_open_op *)op)->pool;
    const sph_place place = {.pool = pool};
    int rc = rados_ioctx_create(sph_pool_cluster(pool)->rados, pool->name, &pool->io);
    if (rc < 0)
        pool->io = NULL;
    if (sph_ceph_check(op, rc, &place, rc == -ENOENT ? "`ceph osd pool ls` lists them" : NULL,
                       "cannot open") < 0)
        return;
    rados_set_pool_full_try(pool->io);
    rados_ioctx_set_namespace(pool->io, pool->namespace);
    pool->id = rados_ioctx_get_id(pool->io);
}

void sph_pool_open_release(sph_op *op) {
    sph_pool_open_op *self = (sph_pool_open_op *)op;
    if (self->pool)
        sph_object_unref(&self->pool->object);
}

/* --- what it is ----------------------------------------------------------------------------------------- */

void sph_pool_stat(sph_op *op) {
    sph_pool_stat_op *self = (sph_pool_stat_op *)op;
    int rc = rados_ioctx_pool_stat(self->pool->io, &self->stat);
    sph_ceph_check(op, rc, &(sph_place){.pool = self->pool}, NULL, "cannot ask for the pool's statistics");
}

/* Asks the monitors `<prefix>` about the pool. */
static int ask(sph_pool *pool, const char *prefix, const char *rest, char **answer, char *status,
               size_t size) {
    char name[512], command[800];
    if (!sph_command_quote(name, sizeof name, pool->name))
        return -ENAMETOOLONG;
    snprintf(command, sizeof command, "{\"prefix\": \"%s\", \"pool\": %s%s, \"format\": \"json\"}", prefix,
             name, rest);
    return sph_command_ask(sph_pool_cluster(pool), command, answer, status, size);
}

void sph_pool_quota(sph_op *op) {
    sph_pool_quota_op *self = (sph_pool_quota_op *)op;
    const sph_place place = {.pool = self->pool};
    char *answer = NULL, status[200];
    int rc = ask(self->pool, "osd pool get-quota", "", &answer, status, sizeof status);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask for the quota") < 0)
        return;
    int64_t bytes, objects;
    if (sph_reply_integer(answer, "quota_max_bytes", &bytes) &&
        sph_reply_integer(answer, "quota_max_objects", &objects)) {
        self->max_bytes = (uint64_t)bytes;
        self->max_objects = (uint64_t)objects;
    } else {
        sph_ceph_fail(op, "rados.answer", 0, &place, "the monitor's answer names no quota");
    }
    sph_free(answer);
}

/* librados' alignment calls tell erasure-coded pools apart only while overwrites are off, and RBD needs them
 * on. The monitors answer the question for a replicated pool's profile with EACCES and "is not a erasure
 * pool". */
void sph_pool_kind(sph_op *op) {
    sph_pool_kind_op *self = (sph_pool_kind_op *)op;
    const sph_place place = {.pool = self->pool};
    char *answer = NULL, status[200];
    int rc = ask(self->pool, "osd pool get", ", \"var\": \"erasure_code_profile\"", &answer, status,
                 sizeof status);
    sph_free(answer);
    if (rc == -EACCES && strstr(status, "erasure"))
        return;
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask for the pool's kind") >= 0)
        self->erasure_coded = true;
}

/* --- its objects ---------------------------------------------------------------------------------------- */

static int add_name(sph_pool_objects_op *self, const char *name, size_t *room) {
    if (self->count == *room) {
        size_t more = *room ? *room * 2 : 64;
        char **names = sph_realloc(self->names, more * sizeof *names);
        if (!names)
            return -ENOMEM;
        self->names = names;
        *room = more;
    }
    self->names[self->count] = sph_strdup(name);
    return self->names[self->count++] ? 0 : -ENOMEM;
}

void sph_pool_objects(sph_op *op) {
    sph_pool_objects_op *self = (sph_pool_objects_op *)op;
    const sph_place place = {.pool = self->pool};
    size_t room = 0, prefix = self->prefix ? strlen(self->prefix) : 0;
    rados_list_ctx_t list;
    int rc = rados_nobjects_list_open(self->pool->io, &list);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot list the objects") < 0)
        return;
    const char *name;
    while (self->count < self->max && (rc = rados_nobjects_list_next(list, &name, NULL, NULL)) == 0) {
        if (sph_op_is_cancelled(op))
            rc = -ECANCELED;
        else if (!prefix || strncmp(name, self->prefix, prefix) == 0)
            rc = add_name(self, name, &room);
        if (rc < 0)
            break;
    }
    rados_nobjects_list_close(list);
    if (rc != -ENOENT) /* the end of the list */
        sph_ceph_check(op, rc, &place, NULL, "cannot list the objects");
}

void sph_pool_objects_release(sph_op *op) {
    sph_pool_objects_op *self = (sph_pool_objects_op *)op;
    for (size_t i = 0; i < self->count; i++)
        sph_free(self->names[i]);
    sph_free(self->names);
}
