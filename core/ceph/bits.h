/* A set of object numbers, most of which are absent or come in long runs.
 *
 * Pages of 32768 numbers; a page without a member takes nothing, and neither does a full one. So the set
 * costs memory for what is in it, not for what could be: an image of 100 TiB has 26 million possible objects,
 * and its worst case (every other object exists) is 3.3 MB.
 *
 * Thread: the caller locks. */
#ifndef SPH_CEPH_BITS_H
#define SPH_CEPH_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t size;    /* numbers are below it */
    uint64_t members; /* how many there are */
    uint64_t **pages;
    uint16_t *filled; /* members of a page, while it is not full */
} sph_bits;

/* 0 or -ENOMEM. */
int sph_bits_make(sph_bits *bits, uint64_t size);
void sph_bits_free(sph_bits *bits);
int sph_bits_add(sph_bits *bits, uint64_t from, uint64_t to); /* [from, to) */
bool sph_bits_has(const sph_bits *bits, uint64_t n);
/* The first member >= from and below `to`; `to` when there is none. */
uint64_t sph_bits_next(const sph_bits *bits, uint64_t from, uint64_t to);
/* The first number >= from and below `to` that is no member; `to` when there is none. */
uint64_t sph_bits_next_absent(const sph_bits *bits, uint64_t from, uint64_t to);

#endif
