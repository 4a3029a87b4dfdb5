/* Images that come into being, end, or get another name. Worker threads run what is here. */
#include "ceph/image_make.h"

#include "ceph/fail.h"
#include "ceph/trash.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- new ones ------------------------------------------------------------------------------------------- */

/* Runs `make` with the options of a new image, and says what failed. */
static void with_options(sph_op *op, int (*make)(sph_image_make_op *, rbd_image_options_t),
                         const char *what) {
    sph_image_make_op *self = (sph_image_make_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->name};
    rbd_image_options_t options;
    int rc = sph_image_options_make(&self->options, &options);
    if (rc >= 0)
        rc = make(self, options);
    rbd_image_options_destroy(options);

    const char *advice = NULL;
    if (rc == -EINVAL)
        advice = "features, order or striping do not go together";
    else if (rc == -EXDEV)
        advice = "a clone in another namespace needs format 2";
    else if (rc == -ENOENT && self->options.data_pool)
        advice = "perhaps there is no such data pool";
    else if (rc == -ENOENT && *self->pool->namespace)
        advice = "perhaps the namespace was never made (rbd namespace create)";
    if (rc == -ENOENT && advice)
        sph_ceph_fail(op, "ENOENT", ENOENT, &place, "%s: something it needs is missing; %s", what, advice);
    else
        sph_ceph_check(op, rc, &place, advice, "%s", what);
}

static int create(sph_image_make_op *self, rbd_image_options_t options) {
    return rbd_create4(self->pool->io, self->name, self->size, options);
}

void sph_image_create(sph_op *op) {
    with_options(op, create, "cannot create");
}

static int clone(sph_image_make_op *self, rbd_image_options_t options) {
    return rbd_clone3(sph_image_pool(self->source)->io, self->source->name, self->snapshot, self->pool->io,
                      self->name, options);
}

void sph_image_clone(sph_op *op) {
    sph_image_make_op *self = (sph_image_make_op *)op;
    const sph_place place = {
        .pool = sph_image_pool(self->source), .image = self->source->name, .snapshot = self->snapshot};
    /* librbd's ENOENT would not tell which of all the things is missing. */
    rbd_image_t now;
    if (sph_image_reopen(op, self->source, true, &now) < 0)
        return;
    uint64_t id;
    int rc = rbd_snap_get_id(now, self->snapshot, &id);
    rbd_close(now);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot clone") >= 0)
        with_options(op, clone, "cannot clone to it");
}

static int copy(sph_image_make_op *self, rbd_image_options_t options) {
    return rbd_copy_with_progress4(self->source->rbd, self->pool->io, self->name, options, sph_image_progress,
                                   &self->op, self->sparse_size);
}

void sph_image_copy(sph_op *op) {
    with_options(op, copy, "cannot copy to it");
}

static int deep_copy(sph_image_make_op *self, rbd_image_options_t options) {
    return rbd_deep_copy_with_progress(self->source->rbd, self->pool->io, self->name, options,
                                       sph_image_progress, &self->op);
}

void sph_image_deep_copy(sph_op *op) {
    with_options(op, deep_copy, "cannot copy to it");
}

/* --- the end -------------------------------------------------------------------------------------------- */

/* "192.0.2.7:0/123, ..." for the clients that have the image open. */
static void name_watchers(const sph_pool *pool, const char *name, char *text, size_t size) {
    rbd_image_watcher_t watchers[8];
    size_t count = sizeof watchers / sizeof *watchers, used = 0;
    rbd_image_t rbd;
    *text = '\0';
    if (rbd_open_read_only(pool->io, name, &rbd, NULL) < 0)
        return;
    if (rbd_watchers_list(rbd, watchers, &count) >= 0) {
        for (size_t i = 0; i < count && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", watchers[i].addr);
        rbd_watchers_list_cleanup(watchers, count);
    }
    rbd_close(rbd);
}

void sph_image_remove(sph_op *op) {
    sph_image_make_op *self = (sph_image_make_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->name};
    int rc = rbd_remove_with_progress(self->pool->io, self->name, sph_image_progress_or_stop, op);
    if (rc == -ENOENT && sph_trash_prepare(self->pool, self->name))
        rc = rbd_remove_with_progress(self->pool->io, self->name, sph_image_progress_or_stop, op);
    char advice[300] = "", watchers[200];
    if (rc == -EBUSY) {
        name_watchers(self->pool, self->name, watchers, sizeof watchers);
        if (*watchers)
            snprintf(advice, sizeof advice, "%s has it open; a client that died is forgotten after 30 s",
                     watchers);
        else
            snprintf(advice, sizeof advice, "a clone or a group needs it, or a client had it open just now");
    } else if (rc == -ENOTEMPTY) {
        snprintf(advice, sizeof advice, "remove its snapshots first");
    }
    sph_ceph_check(op, rc, &place, *advice ? advice : NULL, "cannot remove");
}

void sph_image_rename(sph_op *op) {
    sph_image_make_op *self = (sph_image_make_op *)op;
    const sph_place place = {.pool = self->pool, .image = self->name};
    int rc = rbd_rename(self->pool->io, self->name, self->new_name);
    sph_ceph_check(op, rc, &place, NULL, "cannot rename it to %s", self->new_name);
}

/* --- lists ---------------------------------------------------------------------------------------------- */

void sph_image_list(sph_op *op) {
    sph_image_list_op *self = (sph_image_list_op *)op;
    size_t room = 256;
    int rc;
    do {
        sph_free(self->images);
        self->images = sph_alloc(room * sizeof *self->images);
        if (!self->images) {
            sph_ceph_no_memory(op);
            return;
        }
        rc = rbd_list2(self->pool->io, self->images, &room);
    } while (rc == -ERANGE && !sph_op_is_cancelled(op));
    if (rc == -ENOENT) /* no directory object yet: no image was ever made here */
        rc = 0;
    if (sph_ceph_check(op, rc, &(sph_place){.pool = self->pool}, NULL, "cannot list the images") >= 0)
        self->count = room;
}

void sph_image_list_release(sph_op *op) {
    sph_image_list_op *self = (sph_image_list_op *)op;
    if (self->images)
        rbd_image_spec_list_cleanup(self->images, self->count);
    sph_free(self->images);
}

void sph_namespace_list(sph_op *op) {
    sph_namespace_list_op *self = (sph_namespace_list_op *)op;
    size_t room = 1024;
    int rc;
    do {
        sph_free(self->names);
        self->names = sph_alloc(room);
        if (!self->names) {
            sph_ceph_no_memory(op);
            return;
        }
        rc = rbd_namespace_list(self->pool->io, self->names, &room);
    } while (rc == -ERANGE && !sph_op_is_cancelled(op));
    if (sph_ceph_check(op, rc, &(sph_place){.pool = self->pool}, NULL, "cannot list the namespaces") >= 0)
        self->size = room;
}

void sph_namespace_list_release(sph_op *op) {
    sph_free(((sph_namespace_list_op *)op)->names);
}
