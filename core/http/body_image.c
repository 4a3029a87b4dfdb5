/* An RBD image as the body of a request, or as the place for an answer.
 *
 * Threads: librbd calls read_done and its like on threads of its own; they take the result and post it,
 * nothing else. The size is asked for on a worker, since librbd may go to the cluster for it. Everything else
 * is the loop thread's. Whoever makes the body keeps the image open until it is released. */
#include "http/body.h"
#include "http/window.h"

#include "ceph/image.h"
#include "engine/memory.h"

#include <errno.h>
#include <string.h>

#define PIECE_SIZE ((size_t)4 << 20)

typedef struct {
    sph_body body;
    sph_window window;
    sph_image *image;
    uint64_t offset, length;
    unsigned in_flight;
    sph_post flushed;
    int flush_result;
    bool writing, finishing, keep, flushing, ended;
} image_body;

static sph_error *locate(sph_error *e, const sph_image *image) {
    const sph_pool *pool = sph_image_pool(image);
    sph_error_where(e, SPH_WHERE_CLUSTER, sph_pool_cluster(pool)->fsid);
    sph_error_where(e, SPH_WHERE_POOL, pool->name);
    sph_error_where(e, SPH_WHERE_NAMESPACE, pool->namespace);
    sph_error_where(e, SPH_WHERE_IMAGE, image->name);
    return sph_error_where(e, SPH_WHERE_SNAPSHOT, image->snapshot);
}

static void fail(image_body *b, int error, const char *what, uint64_t at) {
    sph_body_fail(&b->body,
                  locate(sph_error_errno(error, b->writing ? "rbd.aio_write" : "rbd.aio_read",
                                         "cannot %s the image at %llu", what, (unsigned long long)at),
                         b->image));
}

static void fail_window(image_body *b) {
    const sph_window *w = &b->window;
    if (w->error == -EFBIG)
        sph_body_fail(&b->body,
                      locate(sph_error_new("http.too_large", "rbd.aio_write",
                                           "the answer is larger than the image, which ends at %llu",
                                           (unsigned long long)w->end),
                             b->image));
    else if (w->error)
        fail(b, w->error, b->writing ? "write" : "read", w->error_at);
}

/* --- pieces --------------------------------------------------------------------------------------------- */

static void piece_done(rbd_completion_t completion, void *context) {
    sph_piece *piece = context;
    const image_body *b = piece->window->owner;
    ssize_t rc = rbd_aio_get_return_value(completion);
    rbd_aio_release(completion);
    if (rc >= 0 && !b->writing && (size_t)rc != piece->length)
        rc = -ENODATA; /* the image was made smaller meanwhile */
    sph_piece_post(sph_engine_loop(b->body.engine), piece, rc);
}

static bool is_zero(const char *data, size_t size) {
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static void submit(sph_piece *piece) {
    image_body *b = piece->window->owner;
    rbd_image_t rbd = b->image->rbd;
    const int once = LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL | LIBRADOS_OP_FLAG_FADVISE_NOCACHE;
    rbd_completion_t completion;
    int rc = rbd_aio_create_completion(piece, piece_done, &completion);
    if (rc >= 0) {
        if (!b->writing)
            rc = rbd_aio_read2(rbd, piece->offset, piece->length, piece->data, completion, once);
        else if (is_zero(piece->data, piece->length))
            rc = rbd_aio_write_zeroes(rbd, piece->offset, piece->length, completion, 0, once);
        else
            rc = rbd_aio_write2(rbd, piece->offset, piece->length, piece->data, completion, once);
        if (rc < 0)
            rbd_aio_release(completion);
    }
    if (rc < 0)
        sph_piece_post(sph_engine_loop(b->body.engine), piece, rc);
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void flush_settled(sph_post *post) {
    image_body *b = (image_body *)((char *)post - offsetof(image_body, flushed));
    if (b->flush_result < 0)
        fail(b, b->flush_result, "flush", b->window.next);
    b->ended = true;
    b->body.changed(b->body.owner);
}

static void flush_done(rbd_completion_t completion, void *context) {
    image_body *b = context;
    b->flush_result = (int)rbd_aio_get_return_value(completion);
    rbd_aio_release(completion);
    sph_loop_post(sph_engine_loop(b->body.engine), &b->flushed);
}

/* Without it the data may still be in librbd's cache, where a snapshot made by another client misses it. */
static void flush(image_body *b) {
    rbd_completion_t completion;
    b->flushing = true;
    b->flushed.run = flush_settled;
    int rc = rbd_aio_create_completion(b, flush_done, &completion);
    if (rc >= 0) {
        rc = rbd_aio_flush(b->image->rbd, completion);
        if (rc < 0)
            rbd_aio_release(completion);
    }
    if (rc < 0) {
        b->flush_result = rc;
        sph_loop_post(sph_engine_loop(b->body.engine), &b->flushed);
    }
}

static void end_when_quiet(image_body *b) {
    if (b->window.in_flight || b->flushing)
        return;
    if (b->writing && b->keep && !b->body.error)
        flush(b);
    else
        b->ended = true;
}

static void settled(sph_window *w) {
    image_body *b = w->owner;
    fail_window(b);
    if (b->finishing)
        end_when_quiet(b);
    if (!b->finishing || b->ended)
        b->body.changed(b->body.owner);
}

static void finish_image(sph_body *body, bool keep) {
    image_body *b = (image_body *)body;
    if (keep)
        sph_window_flush(&b->window);
    b->window.stopped = true;
    b->finishing = true;
    b->keep = keep;
    end_when_quiet(b);
}

static bool image_busy(const sph_body *body) {
    return !((const image_body *)body)->ended;
}

static void release_image(sph_body *body) {
    image_body *b = (image_body *)body;
    sph_window_close(&b->window);
    sph_error_free(body->error);
    sph_free(b);
}

/* --- reading and writing -------------------------------------------------------------------------------- */

static void open_image(sph_body *body) {
    image_body *b = (image_body *)body;
    uint64_t size;
    int rc = rbd_get_size(b->image->rbd, &size);
    if (rc < 0) {
        fail(b, rc, "ask for the size of", 0);
        return;
    }
    if (b->offset > size || (b->length != SPH_BODY_TO_END && b->length > size - b->offset)) {
        sph_body_fail(body,
                      locate(sph_error_new("EINVAL", "rbd.aio_read",
                                           "the image ends at %llu, before the range that was asked for",
                                           (unsigned long long)size),
                             b->image));
        return;
    }
    body->length = b->length == SPH_BODY_TO_END ? size - b->offset : b->length;
    unsigned pieces =
        b->in_flight + (b->writing ? 1 : 0); /* one more, to fill while the others are written */
    if (sph_window_open(&b->window, pieces, PIECE_SIZE, b->offset, body->length) < 0)
        fail(b, ENOMEM, "open", 0);
}

static size_t read_image(sph_body *body, char *to, size_t size) {
    image_body *b = (image_body *)body;
    size_t given = sph_window_read(&b->window, to, size);
    fail_window(b);
    return given;
}

static bool write_image(sph_body *body, const char *from, size_t size) {
    image_body *b = (image_body *)body;
    bool taken = sph_window_write(&b->window, from, size);
    fail_window(b);
    return taken;
}

static image_body *new_image(sph_engine *engine, const sph_body_type *type, sph_image *image, uint64_t offset,
                             unsigned in_flight) {
    image_body *b = sph_body_new(engine, type, sizeof *b);
    if (!b)
        return NULL;
    b->image = image;
    b->offset = offset;
    b->length = SPH_BODY_TO_END;
    b->in_flight = in_flight;
    b->window.submit = submit;
    b->window.settled = settled;
    b->window.owner = b;
    return b;
}

sph_body *sph_body_from_image(sph_engine *engine, sph_image *image, uint64_t offset, uint64_t length,
                              unsigned in_flight) {
    static const sph_body_type type = {.open = open_image,
                                       .read = read_image,
                                       .finish = finish_image,
                                       .busy = image_busy,
                                       .release = release_image};
    image_body *b = new_image(engine, &type, image, offset, in_flight);
    if (!b)
        return NULL;
    b->length = length;
    return &b->body;
}

sph_body *sph_body_to_image(sph_engine *engine, sph_image *image, uint64_t offset, unsigned in_flight) {
    static const sph_body_type type = {.open = open_image,
                                       .write = write_image,
                                       .finish = finish_image,
                                       .busy = image_busy,
                                       .release = release_image};
    image_body *b = new_image(engine, &type, image, offset, in_flight);
    if (!b)
        return NULL;
    b->writing = true;
    return &b->body;
}
