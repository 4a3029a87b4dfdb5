#include "http/window.h"

#include "engine/memory.h"

#include <errno.h>
#include <string.h>

int sph_window_open(sph_window *w, unsigned count, size_t piece_size, uint64_t offset, uint64_t length) {
    uint64_t needed = length / piece_size + 2; /* the first and the last one may be short */
    if (count > needed)
        count = (unsigned)needed;
    w->pieces = sph_alloc(count * sizeof *w->pieces);
    if (!w->pieces)
        return -ENOMEM;
    w->count = count;
    w->piece_size = piece_size;
    w->next = offset;
    w->end = offset + length;
    for (unsigned i = 0; i < count; i++)
        w->pieces[i].window = w;
    return 0;
}

void sph_window_close(sph_window *w) {
    for (unsigned i = 0; i < w->count; i++)
        sph_free(w->pieces[i].data);
    sph_free(w->pieces);
    w->pieces = NULL;
    w->count = 0;
}

static void fail(sph_window *w, int error, uint64_t offset) {
    if (!w->error) {
        w->error = error;
        w->error_at = offset;
    }
    w->stopped = true;
}

static sph_piece *piece_at(const sph_window *w, unsigned place) {
    return &w->pieces[(w->head + place) % w->count];
}

/* How much of the device the piece that begins at offset stands for: pieces end at multiples of their size,
 * so that they fall together with the objects of an image. */
static size_t extent_of(const sph_window *w, uint64_t offset) {
    uint64_t extent = w->piece_size - offset % w->piece_size;
    return (size_t)(extent < w->end - offset ? extent : w->end - offset);
}

/* Whether the piece has a buffer. When memory is short, what is in flight comes back and its buffer serves
 * again; when nothing is, the window has failed. */
static bool equip(sph_window *w, sph_piece *piece) {
    if (!piece->data && !(piece->data = sph_alloc(w->piece_size)) && !w->in_flight)
        fail(w, -ENOMEM, w->next);
    return piece->data;
}

static void submit(sph_window *w, sph_piece *piece) {
    piece->state = SPH_PIECE_BUSY;
    w->in_flight++;
    w->submit(piece);
}

static void drop_head(sph_window *w) {
    piece_at(w, 0)->state = SPH_PIECE_FREE;
    w->head = (w->head + 1) % w->count;
    w->used--;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void ask(sph_window *w) {
    while (!w->stopped && w->next < w->end && w->used < w->count) {
        sph_piece *piece = piece_at(w, w->used);
        if (!equip(w, piece))
            return;
        piece->offset = w->next;
        piece->length = extent_of(w, w->next);
        piece->taken = 0;
        w->next += piece->length;
        w->used++;
        submit(w, piece);
    }
}

size_t sph_window_read(sph_window *w, char *to, size_t size) {
    size_t given = 0;
    ask(w);
    while (given < size && w->used && !w->error) {
        sph_piece *piece = piece_at(w, 0);
        if (piece->state != SPH_PIECE_BACK)
            break;
        size_t n = piece->length - piece->taken;
        if (n > size - given)
            n = size - given;
        memcpy(to + given, piece->data + piece->taken, n);
        piece->taken += n;
        given += n;
        if (piece->taken == piece->length) {
            drop_head(w);
            ask(w);
        }
    }
    return given;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static sph_piece *filling(const sph_window *w) {
    sph_piece *youngest = w->used ? piece_at(w, w->used - 1) : NULL;
    return youngest && youngest->state == SPH_PIECE_FILLING ? youngest : NULL;
}

/* Whether `size` bytes can be taken now, with all the buffers that they need. */
static bool reserve(sph_window *w, size_t size) {
    uint64_t at = w->next;
    size_t room = 0;
    if (filling(w))
        room = extent_of(w, at);
    for (unsigned place = w->used; room < size; place++) {
        if (place == w->count || !equip(w, piece_at(w, place)))
            return false;
        room += extent_of(w, at + room);
    }
    return true;
}

bool sph_window_write(sph_window *w, const char *from, size_t size) {
    if (!w->stopped && size > w->end - w->next)
        fail(w, -EFBIG, w->end);
    if (w->stopped)
        return false;
    while (w->used && piece_at(w, 0)->state == SPH_PIECE_BACK)
        drop_head(w);
    if (!reserve(w, size))
        return false;
    while (size) {
        sph_piece *piece = filling(w);
        if (!piece) {
            piece = piece_at(w, w->used++);
            piece->state = SPH_PIECE_FILLING;
            piece->offset = w->next;
            piece->length = 0;
        }
        size_t n = extent_of(w, w->next);
        bool full = n <= size;
        if (!full)
            n = size;
        memcpy(piece->data + piece->length, from, n);
        piece->length += n;
        w->next += n;
        from += n;
        size -= n;
        if (full)
            submit(w, piece);
    }
    return true;
}

void sph_window_flush(sph_window *w) {
    sph_piece *piece = filling(w);
    if (piece && !w->stopped)
        submit(w, piece);
}

/* --- coming back ---------------------------------------------------------------------------------------- */

void sph_piece_settle(sph_piece *piece, ssize_t result) {
    sph_window *w = piece->window;
    piece->state = SPH_PIECE_BACK;
    w->in_flight--;
    if (result < 0)
        fail(w, (int)result, piece->offset);
    w->settled(w);
}

static void settle_posted(sph_post *post) {
    sph_piece *piece = (sph_piece *)((char *)post - offsetof(sph_piece, post));
    sph_piece_settle(piece, piece->result);
}

void sph_piece_post(sph_loop *loop, sph_piece *piece, ssize_t result) {
    piece->result = result;
    piece->post.run = settle_posted;
    sph_loop_post(loop, &piece->post);
}
