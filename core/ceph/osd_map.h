/* The object map of an image that nobody has open: entering objects that exist now.
 *
 * What is known of the map's format (common/bit_vector.hpp: BitVector<2>, the same since Ceph 9): 4 bytes for
 * the header's length; the header, 6 bytes of versioning and 8 for the number of objects; two bits for each
 * object, four to a byte, the first in the highest bits; then 4 bytes for the footer's length, the header's
 * crc32c, the number of blocks of 4096 bytes, and the crc32c of each of these.
 *
 * Two ways lead in. Class rbd's object_map_update sets one range an operation (two in one operation see the
 * map as it was before both, and the first is lost). Where a block has many ranges it is read, changed and
 * written with its checksum instead, in one operation; if anything about the format is not as above, the
 * class does it all, slowly.
 *
 * The map must be marked invalid, and have no other writer. Thread: workers. */
#ifndef SPH_CEPH_OSD_MAP_H
#define SPH_CEPH_OSD_MAP_H

#include "ceph/bits.h"

#include <rados/librados.h>

#define SPH_MAP_HEADER 18U

/* The states of four objects to a byte. */
enum { SPH_OBJECT_ABSENT, SPH_OBJECT_EXISTS, SPH_OBJECT_PENDING, SPH_OBJECT_EXISTS_CLEAN };

static inline unsigned sph_map_state(unsigned char byte, unsigned k) {
    return (unsigned)byte >> (6 - 2 * k) & 3U;
}

/* Whether the map has this format, for so many objects or more. */
bool sph_map_is_known(rados_ioctx_t io, const char *name, uint64_t objects);

/* Enters the members of `made` in [from, to). 0 or a negative errno. */
int sph_map_enter(rados_ioctx_t io, const char *name, const sph_bits *made, uint64_t from, uint64_t to);

#endif
