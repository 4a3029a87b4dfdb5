#include "ceph/features.h"

#include <string.h>

const sph_bit_name sph_features[] = {
    {RBD_FEATURE_NAME_LAYERING, RBD_FEATURE_LAYERING},
    {RBD_FEATURE_NAME_STRIPINGV2, RBD_FEATURE_STRIPINGV2},
    {RBD_FEATURE_NAME_EXCLUSIVE_LOCK, RBD_FEATURE_EXCLUSIVE_LOCK},
    {RBD_FEATURE_NAME_OBJECT_MAP, RBD_FEATURE_OBJECT_MAP},
    {RBD_FEATURE_NAME_FAST_DIFF, RBD_FEATURE_FAST_DIFF},
    {RBD_FEATURE_NAME_DEEP_FLATTEN, RBD_FEATURE_DEEP_FLATTEN},
    {RBD_FEATURE_NAME_JOURNALING, RBD_FEATURE_JOURNALING},
    {RBD_FEATURE_NAME_DATA_POOL, RBD_FEATURE_DATA_POOL},
    {RBD_FEATURE_NAME_OPERATIONS, RBD_FEATURE_OPERATIONS},
    {RBD_FEATURE_NAME_MIGRATING, RBD_FEATURE_MIGRATING},
    {RBD_FEATURE_NAME_NON_PRIMARY, RBD_FEATURE_NON_PRIMARY},
    {RBD_FEATURE_NAME_DIRTY_CACHE, RBD_FEATURE_DIRTY_CACHE},
    {NULL, 0},
};

const sph_bit_name sph_image_flags[] = {
    {"object map invalid", RBD_FLAG_OBJECT_MAP_INVALID},
    {"fast diff invalid", RBD_FLAG_FAST_DIFF_INVALID},
    {NULL, 0},
};

uint64_t sph_feature_bit(const char *name) {
    for (const sph_bit_name *f = sph_features; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f->bit;
    return 0;
}

int sph_image_options_make(const sph_image_options *from, rbd_image_options_t *options) {
    rbd_image_options_create(options);
    int rc = 0;
    uint64_t features = from->features, unit = from->stripe_unit, count = from->stripe_count;
    bool striped = unit || count;
    /* librbd wants the striping feature asked for; the others that options imply it adds itself. */
    if (striped)
        features |= RBD_FEATURE_STRIPINGV2;
    /* A clone or copy takes over its source's stripe unit. With objects of another size that is either refused
     * or makes a striped image of a plain one. */
    if (from->order > 0 && !striped) {
        unit = (uint64_t)1 << from->order;
        count = 1;
    }
    const struct {
        bool set;
        int option;
        uint64_t value;
    } numbers[] = {
        {from->has_features, RBD_IMAGE_OPTION_FEATURES, features},
        {!from->has_features && features, RBD_IMAGE_OPTION_FEATURES_SET, features},
        {from->order > 0, RBD_IMAGE_OPTION_ORDER, (uint64_t)from->order},
        {unit > 0, RBD_IMAGE_OPTION_STRIPE_UNIT, unit},
        {count > 0, RBD_IMAGE_OPTION_STRIPE_COUNT, count},
        {from->clone_format > 0, RBD_IMAGE_OPTION_CLONE_FORMAT, (uint64_t)from->clone_format},
        {from->flatten, RBD_IMAGE_OPTION_FLATTEN, 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && rc >= 0; i++)
        if (numbers[i].set)
            rc = rbd_image_options_set_uint64(*options, numbers[i].option, numbers[i].value);
    if (rc >= 0 && from->data_pool)
        rc = rbd_image_options_set_string(*options, RBD_IMAGE_OPTION_DATA_POOL, from->data_pool);
    return rc;
}
