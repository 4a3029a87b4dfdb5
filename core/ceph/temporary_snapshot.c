/* A snapshot that must not outlive its handle. Worker threads run what is here. */
#include "ceph/temporary_snapshot.h"

#include "ceph/fail.h"
#include "ceph/snapshot.h"
#include "engine/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static sph_place place_of(const sph_temporary_snapshot *snapshot) {
    return (sph_place){
        .pool = sph_temporary_snapshot_pool(snapshot), .image = snapshot->image, .snapshot = snapshot->name};
}

/* --- removing ------------------------------------------------------------------------------------------- */

/* The name that the snapshot has now, for librbd unprotects by name. False when there is no such id any
 * more. */
static bool find(rbd_image_t rbd, uint64_t id, char *name, size_t size) {
    rbd_snap_namespace_type_t type;
    if (rbd_snap_get_namespace_type(rbd, id, &type) < 0 || type != RBD_SNAP_NAMESPACE_TYPE_USER)
        return false;
    return rbd_snap_get_name(rbd, id, name, &size) >= 0;
}

static int remove_from(rbd_image_t rbd, const sph_temporary_snapshot *snapshot, const char **what) {
    char name[512];
    if (!find(rbd, snapshot->id, name, sizeof name))
        return 0;
    if (snapshot->is_protected) {
        *what = "unprotect";
        int rc = rbd_snap_unprotect(rbd, name);
        if (rc < 0 && rc != -EINVAL) /* somebody unprotected it: all the same */
            return rc;
    }
    *what = "remove";
    return rbd_snap_remove_by_id(rbd, snapshot->id);
}

/* 0, or a negative errno and what could not be done. */
static int end(sph_temporary_snapshot *snapshot, const char **what) {
    pthread_mutex_lock(&snapshot->lock);
    int rc = 0;
    if (snapshot->exists) {
        rbd_image_t rbd;
        *what = "open the image to remove";
        rc = rbd_open_by_id(sph_temporary_snapshot_pool(snapshot)->io, snapshot->image_id, &rbd, NULL);
        if (rc == -ENOENT) {
            rc = 0; /* the image went, and its snapshots with it */
        } else if (rc >= 0) {
            rc = remove_from(rbd, snapshot, what);
            rbd_close(rbd);
        }
        if (rc == -ENOENT)
            rc = 0;
        snapshot->exists = rc < 0;
    }
    pthread_mutex_unlock(&snapshot->lock);
    return rc;
}

static void end_or_fail(sph_temporary_snapshot *snapshot, sph_op *op) {
    const sph_place place = place_of(snapshot);
    const char *what = "remove";
    int rc = end(snapshot, &what);
    sph_ceph_check(op, rc, &place,
                   rc == -EBUSY ? "it has clones: flatten or remove them first" : sph_snapshot_advice(rc),
                   "cannot %s", what);
}

void sph_temporary_snapshot_remove(sph_op *op) {
    end_or_fail(((sph_temporary_snapshot_end_op *)op)->snapshot, op);
}

/* --- the object ----------------------------------------------------------------------------------------- */

static void shut_down(sph_object *object) {
    end_or_fail((sph_temporary_snapshot *)object, &object->shutdown_op);
}

static void destroy(sph_object *object) {
    sph_temporary_snapshot *snapshot = (sph_temporary_snapshot *)object;
    sph_free(snapshot->image);
    sph_free(snapshot->image_id);
    sph_free(snapshot->name);
    pthread_mutex_destroy(&snapshot->lock);
}

static void describe(const sph_object *object, char *buffer, size_t size) {
    const sph_temporary_snapshot *snapshot = (const sph_temporary_snapshot *)object;
    const sph_pool *pool = sph_temporary_snapshot_pool(snapshot);
    snprintf(buffer, size, "%s%s%s/%s@%s", pool->name, *pool->namespace ? "/" : "", pool->namespace,
             snapshot->image, snapshot->name);
}

const sph_object_type sph_temporary_snapshot_type = {
    .name = "siphon.rbd.TemporarySnapshot", .shutdown = shut_down, .destroy = destroy, .describe = describe};

sph_temporary_snapshot *sph_temporary_snapshot_new(const sph_image *image, const char *name) {
    sph_pool *pool = sph_image_pool(image);
    sph_temporary_snapshot *snapshot =
        sph_object_new(pool->object.engine, &sph_temporary_snapshot_type, sizeof *snapshot, &pool->object);
    if (!snapshot)
        return NULL;
    pthread_mutex_init(&snapshot->lock, NULL);
    char made[32];
    if (!name) {
        uint64_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint64_t)(sph_now() * 1e9);
        snprintf(made, sizeof made, "siphon-%012" PRIx64, number & 0xffffffffffff);
        name = made;
    }
    snapshot->name = sph_strdup(name);
    snapshot->image = sph_strdup(image->name);
    snapshot->image_id = sph_strdup(image->id);
    if (snapshot->name && snapshot->image && snapshot->image_id)
        return snapshot;
    sph_object_unref(&snapshot->object);
    return NULL;
}

void sph_temporary_snapshot_make(sph_op *op) {
    sph_temporary_snapshot_op *self = (sph_temporary_snapshot_op *)op;
    sph_temporary_snapshot *snapshot = self->snapshot;
    const sph_place place = place_of(snapshot);
    rbd_image_t rbd;
    if (sph_image_open_by_id(op, place.pool, snapshot->image_id, snapshot->image, false, &rbd) < 0)
        return;
    int rc = rbd_snap_create2(rbd, snapshot->name, self->flags, sph_image_progress, op);
    if (sph_ceph_check(op, rc, &place, sph_snapshot_advice(rc), "cannot create") >= 0) {
        rc = rbd_snap_get_id(rbd, snapshot->name, &snapshot->id);
        snapshot->exists = rc >= 0;
        if (sph_ceph_check(op, rc, &place, NULL, "it was created, but its id cannot be found") >= 0 &&
            self->protect) {
            rc = rbd_snap_protect(rbd, snapshot->name);
            snapshot->is_protected = rc >= 0;
            sph_ceph_check(op, rc, &place, NULL, "it was created, but cannot be protected");
        }
    }
    rbd_close(rbd);
}

void sph_temporary_snapshot_release(sph_op *op) {
    sph_temporary_snapshot_op *self = (sph_temporary_snapshot_op *)op;
    if (self->snapshot)
        sph_object_unref(&self->snapshot->object);
}
