/* Which objects of the chain exist. A thread for each level. */
#include "ceph/osd_list.h"

#include "ceph/extents.h"
#include "ceph/fail.h"
#include "ceph/osd_map.h"

#include <errno.h>

/* --- by the object map ---------------------------------------------------------------------------------- */

/* How many objects of level 0 the level can stand for. */
static uint64_t covered(const sph_osd_level *level, const sph_layout *layout) {
    uint64_t period = layout->object_size * layout->count;
    uint64_t objects = (level->limit + period - 1) / period * layout->count;
    return objects < layout->objects ? objects : layout->objects;
}

static void know(sph_osd_listing *l, uint64_t known) {
    l->known = known;
    pthread_cond_broadcast(&l->list->change);
}

/* One piece of the map: the states of the objects from n on. Runs of equal bytes, most of all of zeroes, are
 * passed over in one go. */
static int take_states(const unsigned char *states, size_t size, uint64_t n, void *context) {
    sph_osd_listing *l = context;
    pthread_mutex_lock(&l->list->lock);
    int rc = l->list->stopping ? -ECANCELED : 0;
    for (size_t i = 0; i < size && rc >= 0; i++, n += 4) {
        if (!states[i])
            continue;
        for (unsigned k = 0; k < 4 && rc >= 0; k++) {
            unsigned state = sph_map_state(states[i], k);
            if (state != SPH_OBJECT_ABSENT)
                rc = sph_bits_add(state == SPH_OBJECT_PENDING ? &l->perhaps : &l->exists, n + k, n + k + 1);
        }
    }
    if (rc >= 0)
        know(l, n);
    pthread_mutex_unlock(&l->list->lock);
    return rc < 0 ? rc : 0;
}

/* 0, -ECANCELED, or -EOPNOTSUPP when the level has no map that can be trusted. */
static int list_by_map(sph_osd_listing *l) {
    const sph_osd_level *level = &l->list->source->levels[l->level];
    if (!(level->features & RBD_FEATURE_OBJECT_MAP) || level->flags & RBD_FLAG_OBJECT_MAP_INVALID)
        return -EOPNOTSUPP;
    return sph_map_each(level->header, level->id, level->snapshot_id, covered(level, &level->layout),
                        take_states, l);
}

/* --- by librbd ------------------------------------------------------------------------------------------ */

/* The objects of level 0 that hold addresses from `from` on and below `to`. With striping: every object of
 * the periods touched. */
static void objects_of(const sph_layout *layout, uint64_t from, uint64_t to, uint64_t *first, uint64_t *end) {
    uint64_t period = layout->object_size * layout->count;
    *first = from / period * layout->count;
    *end = (to + period - 1) / period * layout->count;
}

static int take_extent(uint64_t offset, uint64_t length, bool exists, void *context) {
    sph_osd_listing *l = context;
    sph_osd_list *list = l->list;
    const sph_osd_level *level = &list->source->levels[l->level];
    const sph_layout *layout = &list->source->levels[0].layout;
    bool certain = level->direct && !sph_layout_is_striped(layout);
    uint64_t first, end;
    objects_of(layout, offset, offset + length, &first, &end);
    pthread_mutex_lock(&list->lock);
    int rc = list->stopping ? -ECANCELED : 0;
    if (rc >= 0 && exists)
        rc = sph_bits_add(certain ? &l->exists : &l->perhaps, first, end);
    if (rc >= 0 && first > l->known)
        know(l, first);
    pthread_mutex_unlock(&list->lock);
    return rc;
}

/* A parent that is read through librbd stands for its own parents too. */
static int list_by_librbd(sph_osd_listing *l) {
    const sph_osd_level *level = &l->list->source->levels[l->level];
    return sph_extents_each(level->rbd, NULL, 0, level->limit, !level->direct, true, take_extent, l);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void *list_level(void *context) {
    sph_osd_listing *l = context;
    sph_osd_list *list = l->list;
    const sph_osd_level *level = &list->source->levels[l->level];
    int rc = level->direct ? list_by_map(l) : -EOPNOTSUPP;
    l->by_map = rc != -EOPNOTSUPP;
    if (rc == -EOPNOTSUPP)
        rc = list_by_librbd(l);
    pthread_mutex_lock(&list->lock);
    if (rc < 0)
        list->failed = true;
    know(l, list->source->levels[0].layout.objects);
    pthread_mutex_unlock(&list->lock);
    if (rc < 0 && rc != -ECANCELED) {
        const sph_place place = {.pool = sph_image_pool(list->source->image), .image = level->name};
        sph_ceph_check(list->op, rc, &place, NULL, "cannot list the objects of %s", level->name);
    }
    return NULL;
}

int sph_osd_list_begin(sph_op *op, const sph_osd_source *source, sph_osd_list *list) {
    *list = (sph_osd_list){.op = op, .source = source};
    pthread_mutex_init(&list->lock, NULL);
    pthread_cond_init(&list->change, NULL);
    for (unsigned i = 0; i < source->depth; i++) {
        sph_osd_listing *l = &list->levels[i];
        uint64_t objects = source->levels[0].layout.objects;
        l->list = list;
        l->level = i;
        if (sph_bits_make(&l->exists, objects) < 0 || sph_bits_make(&l->perhaps, objects) < 0)
            return sph_ceph_no_memory(op);
    }
    for (unsigned i = 0; i < source->depth; i++) {
        sph_osd_listing *l = &list->levels[i];
        int rc = pthread_create(&l->thread, NULL, list_level, l);
        if (rc) {
            sph_op_fail(op, sph_error_errno(rc, op->type->name, "no thread could be started"));
            return -rc;
        }
        l->running = true;
    }
    return 0;
}

void sph_osd_list_stop(sph_osd_list *list) {
    pthread_mutex_lock(&list->lock);
    list->stopping = true;
    pthread_cond_broadcast(&list->change);
    pthread_mutex_unlock(&list->lock);
}

void sph_osd_list_end(sph_osd_list *list) {
    sph_osd_list_stop(list);
    for (unsigned i = 0; i < SPH_OSD_LEVELS; i++) {
        if (list->levels[i].running)
            pthread_join(list->levels[i].thread, NULL);
        sph_bits_free(&list->levels[i].exists);
        sph_bits_free(&list->levels[i].perhaps);
    }
    pthread_cond_destroy(&list->change);
    pthread_mutex_destroy(&list->lock);
}

/* --- what is known -------------------------------------------------------------------------------------- */

/* Below this, every level is listed. */
static uint64_t known_below(const sph_osd_list *list) {
    uint64_t known = list->source->levels[0].layout.objects;
    for (unsigned i = 0; i < list->source->depth; i++)
        if (list->levels[i].known < known)
            known = list->levels[i].known;
    return known;
}

static uint64_t first_of_any(const sph_osd_list *list, uint64_t from, uint64_t to) {
    for (unsigned i = 0; i < list->source->depth; i++) {
        to = sph_bits_next(&list->levels[i].exists, from, to);
        to = sph_bits_next(&list->levels[i].perhaps, from, to);
    }
    return to;
}

int64_t sph_osd_list_next(sph_osd_list *list, uint64_t from) {
    uint64_t objects = list->source->levels[0].layout.objects, known, n;
    pthread_mutex_lock(&list->lock);
    for (;;) {
        known = known_below(list);
        n = from < known ? first_of_any(list, from, known) : from;
        if (list->stopping || list->failed || n < known || known == objects)
            break;
        from = n;
        pthread_cond_wait(&list->change, &list->lock);
    }
    bool ended = list->stopping || list->failed;
    pthread_mutex_unlock(&list->lock);
    return ended ? -1 : (int64_t)n;
}

bool sph_osd_list_exists(sph_osd_list *list, unsigned level, uint64_t n) {
    pthread_mutex_lock(&list->lock);
    bool exists = sph_bits_has(&list->levels[level].exists, n);
    pthread_mutex_unlock(&list->lock);
    return exists;
}

uint64_t sph_osd_list_total(sph_osd_list *list) {
    uint64_t total = 0;
    pthread_mutex_lock(&list->lock);
    for (unsigned i = 0; i < list->source->depth; i++)
        total += list->levels[i].exists.members + list->levels[i].perhaps.members;
    pthread_mutex_unlock(&list->lock);
    uint64_t objects = list->source->levels[0].layout.objects;
    return total < objects ? total : objects;
}
