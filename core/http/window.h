/* Windows: a few large pieces in flight between a transfer, which takes or gives small ones, and a device
 * that is slow to answer (an RBD image, a file). The pieces form a ring: they are asked for in order, may
 * come back in any order, and are used in order. This is what bounds the memory of a transfer.
 *
 * Thread: the loop thread, but for the device's own work between `submit` and sph_piece_post. */
#ifndef SPH_HTTP_WINDOW_H
#define SPH_HTTP_WINDOW_H

#include "engine/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPH_WINDOW_MAX 64

typedef struct sph_window sph_window;

typedef enum { SPH_PIECE_FREE, SPH_PIECE_FILLING, SPH_PIECE_BUSY, SPH_PIECE_BACK } sph_piece_state;

typedef struct sph_piece {
    sph_window *window;
    sph_piece_state state;
    char *data;
    uint64_t offset; /* on the device */
    size_t length;   /* reading: asked for; writing: filled so far */
    size_t taken;    /* reading: given away so far */
    sph_post post;   /* for a device that ends on another thread */
    ssize_t result;
} sph_piece;

struct sph_window {
    void (*submit)(sph_piece *piece);    /* ends in sph_piece_settle, but not before it returned */
    void (*settled)(sph_window *window); /* a piece came back */
    void *owner;
    sph_piece *pieces;
    unsigned count, head, used; /* the ring: its oldest piece, how many are not free */
    unsigned in_flight;
    size_t piece_size;
    uint64_t next, end; /* the range of the device that no piece stands for yet */
    int error;          /* the first failure, a negative errno, */
    uint64_t error_at;  /* and where */
    bool stopped;       /* nothing more is submitted */
};

/* For the bytes [offset, offset + length) of the device. 0 or -ENOMEM. Writing takes two pieces at least,
 * since what is to be written at once may lie across their border; and none may be smaller than that. */
int sph_window_open(sph_window *window, unsigned count, size_t piece_size, uint64_t offset, uint64_t length);
/* Nothing may be in flight. A window that was never opened may be closed. */
void sph_window_close(sph_window *window);

/* How many bytes it gave: 0 when none are there yet, at the end, and after an error. */
size_t sph_window_read(sph_window *window, char *to, size_t size);
/* Takes all of it or nothing (false: no room yet, or an error). */
bool sph_window_write(sph_window *window, const char *from, size_t size);
/* Writes what is left in the piece that was being filled. */
void sph_window_flush(sph_window *window);

/* Loop thread: the device is done with the piece; a result below 0 is a negative errno. */
void sph_piece_settle(sph_piece *piece, ssize_t result);
/* Any thread: the same, by way of the loop. */
void sph_piece_post(sph_loop *loop, sph_piece *piece, ssize_t result);

#endif
