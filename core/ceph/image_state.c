/* What surrounds an image. Worker threads run what is here. */
#include "ceph/image_state.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- users ---------------------------------------------------------------------------------------------- */

int sph_watchers_read(rbd_image_t rbd, sph_watchers *watchers) {
    size_t room = 16;
    int rc;
    do {
        sph_free(watchers->list);
        watchers->list = sph_alloc(room * sizeof *watchers->list);
        if (!watchers->list)
            return -ENOMEM;
        rc = rbd_watchers_list(rbd, watchers->list, &room);
    } while (rc == -ERANGE);
    watchers->count = rc < 0 ? 0 : room;
    return rc;
}

void sph_watchers_free(sph_watchers *watchers) {
    if (watchers->list)
        rbd_watchers_list_cleanup(watchers->list, watchers->count);
    sph_free(watchers->list);
    *watchers = (sph_watchers){0};
}

/* From the header object itself: through a read-only handle rbd_lock_get_owners knows nothing, and
 * rbd_list_lockers what was true when it was opened. */
int sph_lock_owner_read(const sph_image *image, sph_lock_owner *owner) {
    char header[160], clients[512], cookies[512], addresses[1024], tag[256];
    size_t sizes[] = {sizeof clients, sizeof cookies, sizeof addresses, sizeof tag};
    int exclusive = 0;
    memset(owner, 0, sizeof *owner);
    snprintf(header, sizeof header, "rbd_header.%s", image->id);
    ssize_t count =
        rados_list_lockers(sph_image_pool(image)->io, header, "rbd_lock", &exclusive, tag, &sizes[3], clients,
                           &sizes[0], cookies, &sizes[1], addresses, &sizes[2]);
    if (count <= 0)
        return (int)count;
    snprintf(owner->address, sizeof owner->address, "%.159s", sph_address_plain(addresses));
    snprintf(owner->client, sizeof owner->client, "%.63s", clients);
    owner->exclusive = exclusive != 0;
    owner->automatic = strncmp(cookies, "auto ", 5) == 0;
    return 0;
}

void sph_image_watchers(sph_op *op) {
    sph_image_users_op *self = (sph_image_users_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = sph_watchers_read(self->image->rbd, &self->watchers);
    sph_ceph_check(op, rc, &place, NULL, "cannot ask who has it open");
}

void sph_image_lock_owner(sph_op *op) {
    sph_image_users_op *self = (sph_image_users_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = sph_lock_owner_read(self->image, &self->owner);
    sph_ceph_check(op, rc, &place, NULL, "cannot ask who holds the lock");
}

void sph_image_users_release(sph_op *op) {
    sph_watchers_free(&((sph_image_users_op *)op)->watchers);
}

/* --- clones --------------------------------------------------------------------------------------------- */

/* Adds the children of the snapshot that rbd is at. */
static int add_children(sph_image_children_op *self, rbd_image_t rbd) {
    rbd_linked_image_spec_t *found = NULL;
    size_t room = 32;
    int rc;
    do {
        sph_free(found);
        found = sph_alloc(room * sizeof *found);
        if (!found)
            return -ENOMEM;
        rc = rbd_list_children3(rbd, found, &room);
    } while (rc == -ERANGE);
    if (rc >= 0 && room) {
        rbd_linked_image_spec_t *list = sph_realloc(self->list, (self->count + room) * sizeof *list);
        if (list) {
            memcpy(list + self->count, found, room * sizeof *list);
            self->list = list;
            self->count += room;
        } else {
            rbd_linked_image_spec_list_cleanup(found, room);
            rc = -ENOMEM;
        }
    }
    sph_free(found);
    return rc;
}

/* Also those of snapshots in the trash: a clone v2 keeps such a snapshot alive. */
static int add_children_of_all(sph_image_children_op *self, rbd_image_t rbd) {
    rbd_snap_info_t *snapshots = NULL;
    int room = 32, count;
    do {
        sph_free(snapshots);
        snapshots = sph_alloc((size_t)room * sizeof *snapshots);
        if (!snapshots)
            return -ENOMEM;
        count = rbd_snap_list(rbd, snapshots, &room);
    } while (count == -ERANGE);
    int rc = count;
    for (int i = 0; i < count && rc >= 0; i++) {
        rc = rbd_snap_set_by_id(rbd, snapshots[i].id);
        if (rc >= 0)
            rc = add_children(self, rbd);
    }
    if (count >= 0)
        rbd_snap_list_end(snapshots);
    sph_free(snapshots);
    return rc;
}

void sph_image_children(sph_op *op) {
    sph_image_children_op *self = (sph_image_children_op *)op;
    sph_place place = sph_image_place(self->image);
    rbd_image_t rbd; /* of its own: it moves from snapshot to snapshot */
    if (sph_image_reopen(op, self->image, true, &rbd) < 0)
        return;
    const char *snapshot = self->snapshot ? self->snapshot : self->image->snapshot;
    int rc;
    if (snapshot) {
        place.snapshot = snapshot;
        rc = self->snapshot ? rbd_snap_set(rbd, snapshot) : rbd_snap_set_by_id(rbd, self->image->snapshot_id);
        if (sph_ceph_check(op, rc, &place, NULL, "cannot list the clones") >= 0)
            rc = add_children(self, rbd);
    } else {
        rc = add_children_of_all(self, rbd);
    }
    sph_ceph_check(op, rc, &place, NULL, "cannot list the clones");
    rbd_close(rbd);
}

void sph_image_children_release(sph_op *op) {
    sph_image_children_op *self = (sph_image_children_op *)op;
    if (self->list)
        rbd_linked_image_spec_list_cleanup(self->list, self->count);
    sph_free(self->list);
}

/* --- metadata ------------------------------------------------------------------------------------------- */

void sph_image_metadata(sph_op *op) {
    sph_image_metadata_op *self = (sph_image_metadata_op *)op;
    const sph_place place = sph_image_place(self->image);
    size_t keys = 4096, values = 16384;
    int rc;
    do {
        sph_image_metadata_release(op);
        self->keys = sph_alloc(keys);
        self->values = sph_alloc(values);
        if (!self->keys || !self->values) {
            sph_ceph_no_memory(op);
            return;
        }
        rc = rbd_metadata_list(self->image->rbd, "", 0, self->keys, &keys, self->values, &values);
    } while (rc == -ERANGE && !sph_op_is_cancelled(op));
    if (sph_ceph_check(op, rc, &place, NULL, "cannot read the metadata") < 0)
        return;
    for (const char *key = self->keys; (size_t)(key - self->keys) < keys && *key; key += strlen(key) + 1)
        self->count++;
}

void sph_image_metadata_release(sph_op *op) {
    sph_image_metadata_op *self = (sph_image_metadata_op *)op;
    sph_free(self->keys);
    sph_free(self->values);
    self->keys = self->values = NULL;
}

void sph_image_metadata_set(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_metadata_set(self->image->rbd, self->name, self->value);
    sph_ceph_check(op, rc, &place, NULL, "cannot set metadata %s", self->name);
}

void sph_image_metadata_remove(sph_op *op) {
    sph_image_op *self = (sph_image_op *)op;
    const sph_place place = sph_image_place(self->image);
    int rc = rbd_metadata_remove(self->image->rbd, self->name);
    if (rc == -ENOENT)
        sph_ceph_fail(op, "ENOENT", ENOENT, &place, "there is no metadata %s", self->name);
    else
        sph_ceph_check(op, rc, &place, NULL, "cannot remove metadata %s", self->name);
}
