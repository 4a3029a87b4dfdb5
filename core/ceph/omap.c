/* Omap: an object's sorted map of keys to values, and its compare-and-swap. Worker threads run what is
 * here. */
#include "ceph/omap.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <string.h>

/* OSDs cut answers at osd_max_omap_entries_per_request (1024 by default), so this is no limit of ours. */
#define PAGE 1024

/* --- reading -------------------------------------------------------------------------------------------- */

static char *copy_bytes(const char *bytes, size_t size) {
    char *copy = sph_alloc(size + 1);
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

static int add(sph_omap_get_op *self, const char *key, size_t key_size, const char *value,
               size_t value_size) {
    if (self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 32;
        sph_omap_entry *entries = sph_realloc(self->entries, room * sizeof *entries);
        if (!entries)
            return -ENOMEM;
        self->entries = entries;
        self->room = room;
    }
    sph_omap_entry entry = {copy_bytes(key, key_size), copy_bytes(value, value_size), key_size, value_size};
    self->entries[self->count++] = entry;
    return entry.key && entry.value ? 0 : -ENOMEM;
}

static int take(sph_omap_get_op *self, rados_omap_iter_t iterator) {
    for (;;) {
        char *key, *value;
        size_t key_size, value_size;
        int rc = rados_omap_get_next2(iterator, &key, &value, &key_size, &value_size);
        if (rc < 0 || !key)
            return rc;
        rc = add(self, key, key_size, value, value_size);
        if (rc < 0)
            return rc;
    }
}

/* One read operation. librados makes the iterator when the operation is put together, so it is there to be
 * freed even if the read fails. */
static int read_page(sph_omap_get_op *self, const char *after, uint64_t max, unsigned char *more) {
    rados_read_op_t read = rados_create_read_op();
    rados_omap_iter_t iterator = NULL;
    int result = 0;
    if (self->by_key)
        rados_read_op_omap_get_vals_by_keys2(read, self->wanted.keys, self->wanted.count,
                                             self->wanted.key_sizes, &iterator, &result);
    else
        rados_read_op_omap_get_vals2(read, after, self->prefix ? self->prefix : "", max, &iterator, more,
                                     &result);
    int rc = rados_read_op_operate(read, self->pool->io, self->name, LIBRADOS_OPERATION_NOFLAG);
    if (rc >= 0)
        rc = result;
    if (rc >= 0)
        rc = take(self, iterator);
    if (iterator)
        rados_omap_get_end(iterator);
    rados_release_read_op(read);
    return rc;
}

void sph_omap_get(sph_op *op) {
    sph_omap_get_op *self = (sph_omap_get_op *)op;
    const sph_place place = {.pool = self->pool, .object = self->name};
    const char *after = self->after ? self->after : "";
    unsigned char more = 1;
    int rc = 0;
    while (more && self->count < self->max) {
        uint64_t left = self->max - self->count;
        size_t before = self->count;
        more = 0;
        rc = read_page(self, after, left < PAGE ? left : PAGE, &more);
        if (rc < 0)
            break;
        if (self->count == before)
            more = 0;
        else
            after = self->entries[self->count - 1].key;
        if (sph_op_is_cancelled(op)) {
            rc = -ECANCELED;
            break;
        }
    }
    self->more = more;
    if (rc == -ENOMEM)
        sph_ceph_no_memory(op);
    else
        sph_ceph_check(op, rc, &place, NULL, "cannot read the omap");
}

void sph_omap_get_release(sph_op *op) {
    sph_omap_get_op *self = (sph_omap_get_op *)op;
    for (size_t i = 0; i < self->count; i++) {
        sph_free(self->entries[i].key);
        sph_free(self->entries[i].value);
    }
    sph_free(self->entries);
}

/* --- changing ------------------------------------------------------------------------------------------- */

void sph_omap_change(sph_op *op) {
    sph_omap_change_op *self = (sph_omap_change_op *)op;
    const sph_place place = {.pool = self->pool, .object = self->name};
    rados_write_op_t write = rados_create_write_op();
    if (self->exclusive)
        rados_write_op_create(write, LIBRADOS_CREATE_EXCLUSIVE, NULL);
    else if (self->must_exist)
        rados_write_op_assert_exists(write);
    else /* first of all, since the OSDs compare nothing with what an absent object would have */
        rados_write_op_create(write, LIBRADOS_CREATE_IDEMPOTENT, NULL);
    for (size_t i = 0; i < self->expect.count; i++)
        rados_write_op_omap_cmp2(write, self->expect.keys[i], LIBRADOS_CMPXATTR_OP_EQ, self->expect.values[i],
                                 self->expect.key_sizes[i], self->expect.value_sizes[i], NULL);
    if (self->remove.count)
        rados_write_op_omap_rm_keys2(write, self->remove.keys, self->remove.key_sizes, self->remove.count);
    if (self->set.count)
        rados_write_op_omap_set2(write, self->set.keys, self->set.values, self->set.key_sizes,
                                 self->set.value_sizes, self->set.count);
    int rc = rados_write_op_operate2(write, self->pool->io, self->name, NULL, LIBRADOS_OPERATION_NOFLAG);
    rados_release_write_op(write);
    if (rc == -ECANCELED)
        sph_ceph_fail(
            op, "rados.conflict", ECANCELED, &place,
            "a key has another value than expected: somebody changed it first; nothing was changed");
    else
        sph_ceph_check(op, rc, &place, rc == -EOPNOTSUPP ? "erasure-coded pools have no omap" : NULL,
                       "cannot change the omap");
}
