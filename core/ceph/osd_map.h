/* Object maps, as they lie in RADOS: which objects one says exist, and entering objects into that of an image which
 * nobody has open.
 *
 * Reading one costs two bits for each possible object, and no more memory than one piece: librbd would hold the map
 * several times over, and ask it object by object.
 *
 * What is known of the map's format (common/bit_vector.hpp: BitVector<2>, the same since Ceph 9): 4 bytes for
 * the header's length; the header, 6 bytes of versioning and 8 for the number of objects; two bits for each
 * object, four to a byte, the first in the highest bits; then 4 bytes for the footer's length, the header's
 * crc32c, the number of blocks of 4096 bytes, and the crc32c of each of these.
 *
 * Two ways lead in, for the writer. Class rbd's object_map_update sets one range an operation (two in one
 * operation see the map as it was before both, and the first is lost). Where a block has many ranges it is read,
 * changed and written with its checksum instead, in one operation; if anything about the format is not as above, the
 * class does it all, slowly.
 *
 * To be written, the map must be marked invalid, and have no other writer. Thread: workers. */
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

/* The states from object n on, which is a multiple of four; < 0 stops. */
typedef int sph_map_call(const unsigned char *states, size_t size, uint64_t n, void *context);
/* Calls for one piece after the other of the map of an image at a snapshot, or at LIBRADOS_SNAP_HEAD, until the
 * states of the first `objects` objects were told. Returns 0, what `call` returned, a negative errno, or
 * -EOPNOTSUPP when the map has another format, or fewer objects. */
int sph_map_each(rados_ioctx_t io, const char *id, uint64_t snapshot_id, uint64_t objects, sph_map_call *call,
                 void *context);

/* Enters the members of `made` in [from, to). 0 or a negative errno. */
int sph_map_enter(rados_ioctx_t io, const char *name, const sph_bits *made, uint64_t from, uint64_t to);

#endif
