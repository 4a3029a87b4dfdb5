/* Bodies: where the bytes of a request come from (a source: memory, a file, an RBD image) and where those of
 * an answer go (a sink: a file, an RBD image; what goes to memory is the response's own).
 *
 * A body is opened on a worker thread, then lives on the loop thread: `read` or `write` never block, and say
 * with nothing taken or given that the other side has to pause; `changed` tells when to try again. `finish`
 * ends it, well or not, and is followed by `changed` until `busy` is false; then it may be released. The
 * first failure stays in `error`. */
#ifndef SPH_HTTP_BODY_H
#define SPH_HTTP_BODY_H

#include "engine/engine.h"

typedef struct sph_body sph_body;

typedef struct sph_body_type {
    void (*open)(sph_body *body); /* worker thread; NULL when there is nothing to open */
    size_t (*read)(sph_body *body, char *to, size_t size);
    bool (*write)(sph_body *body, const char *from, size_t size); /* all of it, or nothing */
    void (*rewind)(sph_body *body);            /* back to the first byte; NULL when it cannot */
    void (*finish)(sph_body *body, bool keep); /* once; keep: what was written is complete and shall stay */
    bool (*busy)(const sph_body *body);
    void (*release)(sph_body *body); /* never while busy */
} sph_body_type;

struct sph_body {
    const sph_body_type *type;
    sph_engine *engine;
    uint64_t length; /* of a source; known once it is open */
    sph_error *error;
    void (*changed)(void *owner); /* from the loop's own hand, never from inside another call of the body */
    void *owner;
};

/* All: NULL when memory is out. */

/* The bytes are borrowed and must outlive it. */
sph_body *sph_body_from_memory(sph_engine *engine, const void *data, size_t length);

sph_body *sph_body_from_file(sph_engine *engine, const char *path);
/* Writes beside the path and takes its name when the answer is complete; without that nothing is left. */
sph_body *sph_body_to_file(sph_engine *engine, const char *path);

struct sph_image;
#define SPH_BODY_TO_END UINT64_MAX
/* The image as its handle sees it (at a snapshot or the head), from offset on. The caller keeps the image
 * open for as long as the body lives. `in_flight` pieces of 4 MiB at most are under way. */
sph_body *sph_body_from_image(sph_engine *engine, struct sph_image *image, uint64_t offset, uint64_t length,
                              unsigned in_flight);
/* Whole pieces of zeros are written as such, so that a thin image stays thin. Ends with a flush. */
sph_body *sph_body_to_image(sph_engine *engine, struct sph_image *image, uint64_t offset, unsigned in_flight);

/* For the makers of bodies: zeroed memory that begins with a sph_body. */
void *sph_body_new(sph_engine *engine, const sph_body_type *type, size_t size);
/* Keeps the first one. */
void sph_body_fail(sph_body *body, sph_error *error);

#endif
