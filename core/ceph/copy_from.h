/* The two calls that librados offers to C++ only: copy_from and mapext.
 *
 * copy_from makes the primary OSD of the target object read the source object and write it; the bytes do not
 * pass through the caller. The target object is replaced as a whole or not at all. Three things must be known
 * by whoever calls it (Ceph 16, PrimaryLogPG.cc):
 *   - The OSDs read the source with their own key. The caller's right to read it is NOT checked.
 *   - One operation holds exactly one copy_from, and nothing before it. Two of them crash the OSD; something
 *     that creates the object before it makes the pool's object count wrong. What may follow are zeroes, which
 *     bluestore keeps as holes. Hence no other shape is offered.
 *   - A snapshot that is removed meanwhile gives ENOENT, or silently the head's content.
 *
 * Thread: any; both block. No C++ exception leaves these functions. */
#ifndef SPH_CEPH_COPY_FROM_H
#define SPH_CEPH_COPY_FROM_H

#include <rados/librados.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t offset, length;
} sph_span;

/* Where the object holds data, at the ioctx's snapshot. What lies between is zero. */
typedef struct {
    sph_span *spans; /* the first `room` of them, neighbours joined */
    size_t room;
    size_t count;   /* of all; may exceed room */
    uint64_t bytes; /* in all of them */
    uint64_t end;   /* of the last one */
} sph_extent_map;

/* 0, or a negative errno: -ENOENT, or -EOPNOTSUPP from an erasure-coded pool. */
int sph_map_extents(rados_ioctx_t io, const char *name, uint64_t size, sph_extent_map *map);

/* Pool, namespace and snapshot of the source are those of its ioctx, which must belong to the same cluster.
 * With `kept`, which has to be complete (count <= room), what lies between its extents becomes holes of the
 * target's object, which ends with the last of them, in the same operation. 0, or a negative errno. */
int sph_copy_from(rados_ioctx_t target, const char *name, rados_ioctx_t source, const char *source_name,
                  const sph_extent_map *kept);

#ifdef __cplusplus
}
#endif

#endif
