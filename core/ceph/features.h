/* Image features and the options of a new image: names for people, bits for librbd.
 *
 * Thread: any. */
#ifndef SPH_CEPH_FEATURES_H
#define SPH_CEPH_FEATURES_H

#include <rbd/librbd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;
    uint64_t bit;
} sph_bit_name;

/* Each ends with a NULL name. */
extern const sph_bit_name sph_features[];
extern const sph_bit_name sph_image_flags[];

/* The bit, or 0 for a name that is unknown. */
uint64_t sph_feature_bit(const char *name);

/* What a new image is to be like. 0 and NULL leave the choice to Ceph's configuration. */
typedef struct {
    uint64_t features;
    bool has_features; /* `features` counts, even when it is 0 */
    int order;         /* objects of 2^order bytes */
    const char *data_pool;
    uint64_t stripe_unit, stripe_count;
    int clone_format; /* 1 or 2; clones only */
    bool flatten;     /* deep copies only: the copy has no parent */
} sph_image_options;

/* The caller destroys it with rbd_image_options_destroy, also upon failure. Returns 0 or a negative errno. */
int sph_image_options_make(const sph_image_options *from, rbd_image_options_t *options);

#endif
