/* The two calls that librados offers to C++ only. See copy_from.h. The one C++ file: no bufferlist in it,
 * whose ABI changes between releases, and nothing that Lua could jump across. */
#include "ceph/copy_from.h"

#include <rados/librados.hpp>

#include <cerrno>
#include <map>
#include <new>
#include <string>

/* The source is read once. */
static constexpr uint32_t READ_ONCE = LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL | LIBRADOS_OP_FLAG_FADVISE_DONTNEED;

/* Never a zero beyond the object's end: the store would take it for longer then, and the OSD would not. */
static void add_holes(librados::ObjectWriteOperation &op, const sph_extent_map *kept) {
    uint64_t end = 0;
    op.truncate(kept->end);
    for (size_t i = 0; i < kept->count; i++) {
        const sph_span &span = kept->spans[i];
        if (span.offset > end)
            op.zero(end, span.offset - end);
        end = span.offset + span.length;
    }
}

int sph_copy_from(rados_ioctx_t target, const char *name, rados_ioctx_t source, const char *source_name,
                  const sph_extent_map *kept) {
    try {
        librados::IoCtx to, from;
        librados::IoCtx::from_rados_ioctx_t(target, to);
        librados::IoCtx::from_rados_ioctx_t(source, from);
        librados::ObjectWriteOperation op;
        op.copy_from(source_name, from, 0, READ_ONCE);
        if (kept)
            add_holes(op, kept);
        return to.operate(name, &op);
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;
    }
}

int sph_map_extents(rados_ioctx_t io, const char *name, uint64_t size, sph_extent_map *map) {
    try {
        librados::IoCtx from;
        librados::IoCtx::from_rados_ioctx_t(io, from);
        std::map<uint64_t, uint64_t> extents;
        int rc = from.mapext(name, 0, size, extents);
        if (rc < 0)
            return rc;
        map->count = 0;
        map->bytes = map->end = 0;
        for (const auto &[offset, length] : extents) {
            bool joins = map->count && offset == map->end;
            map->end = offset + length;
            map->bytes += length;
            if (joins && map->count <= map->room)
                map->spans[map->count - 1].length += length;
            if (joins)
                continue;
            if (map->count < map->room)
                map->spans[map->count] = {offset, length};
            map->count++;
        }
        return 0;
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;
    }
}
