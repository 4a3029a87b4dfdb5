/* From Ceph's return codes to errors that say where it happened and what to do. */
#include "ceph/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sph_place sph_image_place(const sph_image *image) {
    return (sph_place){.pool = sph_image_pool(image), .image = image->name, .snapshot = image->snapshot};
}

static const sph_cluster *cluster_of(const sph_place *place) {
    return place->cluster ? place->cluster : place->pool ? sph_pool_cluster(place->pool) : NULL;
}

static sph_error *locate(sph_error *e, const sph_place *place) {
    const sph_cluster *cluster = cluster_of(place);
    if (cluster)
        sph_error_where(e, SPH_WHERE_CLUSTER, cluster->fsid);
    if (place->pool) {
        sph_error_where(e, SPH_WHERE_POOL, place->pool->name);
        sph_error_where(e, SPH_WHERE_NAMESPACE, place->pool->namespace);
    }
    sph_error_where(e, SPH_WHERE_IMAGE, place->image);
    sph_error_where(e, SPH_WHERE_SNAPSHOT, place->snapshot);
    return sph_error_where(e, SPH_WHERE_OBJECT, place->object);
}

/* What is missing or exists already: the innermost part of the place. */
static const char *noun(const sph_place *place) {
    return place->snapshot ? "snapshot"
           : place->image  ? "image"
           : place->object ? "object"
           : place->pool   ? "pool"
                           : "thing";
}

/* What to do about the errno wherever it comes from; "" when that depends. */
static void advise(char *text, size_t size, int errnum, const sph_place *place) {
    const sph_cluster *cluster = cluster_of(place);
    const char *user = cluster && cluster->name ? cluster->name : "this user";
    const char *pool = place->pool ? place->pool->name : "the pool";
    *text = '\0';
    switch (errnum) {
    case EPERM:
    case EACCES:
        if (place->pool)
            snprintf(text, size,
                     "; %s lacks a capability on pool %s: see `ceph auth get %s`, 'profile rbd' grants it",
                     user, pool, user);
        else
            snprintf(text, size, "; %s lacks a capability: see `ceph auth get %s`", user, user);
        break;
    case EDQUOT:
        snprintf(text, size, "; raise the quota of pool %s (ceph osd pool set-quota) or make room", pool);
        break;
    case ENOSPC:
        snprintf(text, size, "; pool %s or the OSDs beneath it are full: see `ceph health detail`", pool);
        break;
    case EROFS:
        snprintf(text, size, "; open the image with read_only = false and at no snapshot");
        break;
    case ESHUTDOWN:
        snprintf(text, size, "; find out who did that (ceph osd blocklist ls), then connect anew");
        break;
    case ETIMEDOUT:
        snprintf(text, size, "; the cluster did not answer in time: see `ceph status`");
        break;
    default:
        break;
    }
}

int sph_ceph_check(sph_op *op, int rc, const sph_place *place, const char *advice, const char *fmt, ...) {
    if (rc >= 0)
        return rc;
    int errnum = abs(rc);
    char what[256], general[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (advice)
        snprintf(general, sizeof general, "; %s", advice);
    else
        advise(general, sizeof general, errnum, place);

    sph_error *plain = sph_error_errno(rc, op->type->name, "%s", what);
    sph_error *e;
    if (errnum == ENOENT)
        e = sph_error_new("ENOENT", op->type->name, "%s: no such %s%s", what, noun(place), general);
    else if (errnum == EEXIST)
        e = sph_error_new("EEXIST", op->type->name, "%s: one of that name exists already%s", what, general);
    else
        e = sph_error_new(plain->code, op->type->name, "%s%s", plain->message, general);
    if (strcmp(e->code, plain->code) == 0) { /* else memory is out, and e is not ours to change */
        e->errnum = plain->errnum;
        e->retryable = plain->retryable;
    }
    sph_error_free(plain);
    sph_op_fail(op, locate(e, place));
    return rc;
}

int sph_ceph_fail(sph_op *op, const char *code, int errnum, const sph_place *place, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sph_error *plain = sph_error_errno(errnum, op->type->name, "%s", text);
    sph_error *e = sph_error_new(code, op->type->name, "%s", text);
    if (strcmp(e->code, code) == 0) {
        e->errnum = errnum;
        e->retryable = errnum && plain->retryable;
    }
    sph_error_free(plain);
    sph_op_fail(op, locate(e, place));
    return -errnum;
}

int sph_ceph_no_memory(sph_op *op) {
    sph_op_fail(op, sph_error_errno(ENOMEM, op->type->name, "cannot go on"));
    return -ENOMEM;
}
