/* One object of a copy, from start to end: where it comes from, how it is copied, whether it is equal.
 *
 * Each object takes one of six ways:
 *   none      it holds nothing, at no level: the target's object stays absent
 *   whole     dense: one copy_from, the OSDs move it
 *   punched   holes in it: copy_from writes a hole as zeroes, so the same operation makes holes of them again
 *   squeezed  zeroes in it, or holes that nobody tells or that are too many to name: class rbd's `sparsify` then
 *             drops zeroes from the target's object, in the OSD
 *   thin      nearly empty: its few extents are read and written through this host
 *   librbd    it has no counterpart (another layout, or a parent's object that is cut by the overlap): librbd
 *             reads it, this host writes it
 *
 * Thread: one of the copy's own for each object under way. */
#ifndef SPH_CEPH_OSD_CARRY_H
#define SPH_CEPH_OSD_CARRY_H

#include "ceph/copy_from.h"
#include "ceph/osd_list.h"
#include "ceph/osd_pace.h"
#include "ceph/osd_sums.h"
#include "ceph/osd_target.h"

typedef enum { SPH_VERIFY_NONE, SPH_VERIFY_CHECKSUM, SPH_VERIFY_READ } sph_osd_verify_how;

typedef enum {
    SPH_WAY_NONE,
    SPH_WAY_WHOLE,
    SPH_WAY_PUNCHED,
    SPH_WAY_SQUEEZED,
    SPH_WAY_THIN,
    SPH_WAY_LIBRBD,
    SPH_WAYS
} sph_osd_way;

typedef struct {
    atomic_uint_least64_t ways[SPH_WAYS]; /* objects */
    atomic_uint_least64_t copied;         /* bytes written to the target, by whom ever */
    atomic_uint_least64_t through_host;   /* bytes read here, and bytes written from here */
    atomic_uint_least64_t verified, verify_through_host;
    atomic_uint_least64_t retries;
} sph_osd_tally;

/* What the threads of one copy share. Read-only but for what locks itself. */
typedef struct {
    sph_op *op;
    sph_osd_source *source;
    sph_osd_target *target;
    sph_osd_list *list;
    sph_pace *pace;
    sph_osd_tally *tally;
    double dense;      /* share of an object's length from which on its holes may become zeroes */
    double sparse;     /* share of the size of objects up to which its extents go through this host */
    bool through_host; /* may bytes pass through here at all? */
    bool compare_only; /* copies nothing */
    sph_osd_verify_how verify;
    uint32_t zero;         /* the sum of a chunk of zeroes */
    atomic_uint dense_run; /* objects in a row that turned out to be whole */
} sph_osd_plan;

#define SPH_CARRY_BUFFER ((size_t)1 << 20)
#define SPH_CARRY_SPANS 256

/* What one thread has for itself. */
typedef struct {
    sph_osd_plan *plan;
    char *buffer; /* made when first needed; the owner frees it */
    sph_span spans[SPH_CARRY_SPANS];
    sph_extent_map map;
    sph_sums from, to;
} sph_carrier;

/* Returns 1 when the target has the object now, 0 when it is rightly absent, or a negative errno after op
 * failed. */
int sph_osd_carry(sph_carrier *carrier, uint64_t n);

/* osd_compare.c. Where an object of the source comes from: a level, or librbd. */
typedef struct {
    uint64_t n;
    const sph_osd_level *level; /* NULL: through librbd, or nowhere */
    bool librbd;
    bool mapped, summed; /* carrier->map, carrier->from hold what is known of it */
    char name[SPH_OBJECT_NAME], target[SPH_OBJECT_NAME];
} sph_origin;

/* Whether what ended with rc timed out and is to be done again: that is harmless, also when it has landed. */
bool sph_carrier_try_again(sph_carrier *carrier, int rc, unsigned *tries);
/* The sums of an object, as sph_sums_take has them, tried again. */
int sph_carrier_sums(sph_carrier *carrier, rados_ioctx_t io, const char *name, uint64_t expected,
                     sph_sums *sums);
char *sph_carrier_buffer(sph_carrier *carrier); /* NULL after op failed */
/* Bytes of the source's object; zeroes where it has none. 0 or a negative errno. */
int sph_origin_read(sph_carrier *carrier, const sph_origin *origin, uint64_t offset, size_t size,
                    char *bytes);
/* Whether the target's object is equal: 0, or a negative errno after op failed. *present: it exists. */
int sph_osd_compare(sph_carrier *carrier, const sph_origin *origin, bool *present);
/* op fails because of an object. Returns rc, which is negative. */
int sph_carrier_fail(sph_carrier *carrier, int rc, const sph_origin *origin, bool target, const char *what);

#endif
