/* A file as the body of a request, or as the place for an answer.
 *
 * Threads: open, read, write and close run on workers, as jobs, since a file system can be as slow as a
 * network; everything else is the loop thread's. An answer is written to a file beside the one asked for,
 * which it then replaces: whoever reads that path sees the old content or all of the new one. */
#include "http/body.h"
#include "http/job.h"
#include "http/window.h"

#include "engine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECES 4
#define PIECE_SIZE ((size_t)1 << 20)

typedef struct {
    sph_job job;
    sph_piece *piece;
    int fd;
    int rc;
} piece_job;

typedef struct {
    sph_body body;
    sph_window window;
    piece_job jobs[PIECES];
    sph_job ending; /* closes the file, and names or removes what was written */
    char *path, *partial;
    int fd;
    bool writing, finishing, keep, ended;
} file_body;

static const char *op_of(const file_body *f) {
    return f->writing ? "file.write" : "file.read";
}

static void fail(file_body *f, int error, const char *what) {
    sph_body_fail(&f->body, sph_error_errno(error, op_of(f), "%s %s", what, f->path));
}

/* --- pieces --------------------------------------------------------------------------------------------- */

static void move_piece(sph_job *job) {
    piece_job *p = (piece_job *)job;
    file_body *f = p->piece->window->owner;
    for (size_t moved = 0; moved < p->piece->length;) {
        char *data = p->piece->data + moved;
        size_t left = p->piece->length - moved;
        off_t at = (off_t)(p->piece->offset + moved);
        ssize_t n = f->writing ? pwrite(p->fd, data, left, at) : pread(p->fd, data, left, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            p->rc = n < 0 ? -errno : -ENODATA; /* the file became shorter than it was when it was opened */
            return;
        }
        moved += (size_t)n;
    }
    p->rc = 0;
}

static void piece_moved(sph_job *job) {
    piece_job *p = (piece_job *)job;
    sph_piece_settle(p->piece, job->worked ? p->rc : -EAGAIN);
}

static void submit(sph_piece *piece) {
    file_body *f = piece->window->owner;
    piece_job *p = &f->jobs[piece - piece->window->pieces];
    p->piece = piece;
    p->fd = f->fd;
    p->job.work = move_piece;
    p->job.done = piece_moved;
    sph_job_start(&p->job, f->body.engine);
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void end_file(sph_job *job) {
    file_body *f = (file_body *)((char *)job - offsetof(file_body, ending));
    int rc = f->fd >= 0 && close(f->fd) < 0 ? errno : 0;
    f->fd = -1;
    if (!f->writing || !f->partial)
        return;
    if (f->keep && rc == 0 && rename(f->partial, f->path) == 0)
        return;
    if (f->keep)
        fail(f, rc ? rc : errno, "cannot complete");
    unlink(f->partial);
}

static void file_ended(sph_job *job) {
    file_body *f = (file_body *)((char *)job - offsetof(file_body, ending));
    if (!job->worked)
        end_file(job); /* no thread could be had: better to block than to leave a file behind */
    f->ended = true;
    f->body.changed(f->body.owner);
}

static void end_when_quiet(file_body *f) {
    if (f->window.in_flight || f->ending.done)
        return;
    f->keep = f->keep && !f->body.error;
    f->ending.work = end_file;
    f->ending.done = file_ended;
    sph_job_start(&f->ending, f->body.engine);
}

static void settled(sph_window *w) {
    file_body *f = w->owner;
    if (w->error)
        fail(f, w->error, f->writing ? "cannot write" : "cannot read");
    if (f->finishing)
        end_when_quiet(f);
    else
        f->body.changed(f->body.owner);
}

static void finish_file(sph_body *body, bool keep) {
    file_body *f = (file_body *)body;
    if (keep)
        sph_window_flush(&f->window);
    f->window.stopped = true;
    f->finishing = true;
    f->keep = keep;
    if (f->fd < 0 && !f->partial)
        f->ended = true; /* it was never opened */
    else
        end_when_quiet(f);
}

static bool file_busy(const sph_body *body) {
    const file_body *f = (const file_body *)body;
    return !f->ended;
}

static void release_file(sph_body *body) {
    file_body *f = (file_body *)body;
    sph_window_close(&f->window);
    sph_error_free(body->error);
    sph_free(f->path);
    sph_free(f->partial);
    sph_free(f);
}

/* --- reading and writing -------------------------------------------------------------------------------- */

static size_t read_file(sph_body *body, char *to, size_t size) {
    file_body *f = (file_body *)body;
    size_t given = sph_window_read(&f->window, to, size);
    if (f->window.error)
        fail(f, f->window.error, "cannot read");
    return given;
}

static bool write_file(sph_body *body, const char *from, size_t size) {
    file_body *f = (file_body *)body;
    bool taken = sph_window_write(&f->window, from, size);
    if (f->window.error)
        fail(f, f->window.error, "cannot write");
    return taken;
}

static void open_source(sph_body *body) {
    file_body *f = (file_body *)body;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo without a writer must not hold us */
    struct stat st;
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        fail(f, errno, "cannot open");
    } else if (!S_ISREG(st.st_mode)) {
        sph_body_fail(body, sph_error_new("EINVAL", op_of(f),
                                          "%s is not a regular file, so its length is not known", f->path));
    } else {
        body->length = (uint64_t)st.st_size;
        if (sph_window_open(&f->window, PIECES, PIECE_SIZE, 0, body->length) < 0)
            fail(f, ENOMEM, "cannot read");
    }
}

static void open_sink(sph_body *body) {
    file_body *f = (file_body *)body;
    struct stat st;
    if (stat(f->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        sph_body_fail(body,
                      sph_error_new("EINVAL", op_of(f), "%s exists and is not a regular file", f->path));
        return;
    }
    size_t size = strlen(f->path) + sizeof ".part-0123456789abcdef";
    char *partial = sph_alloc(size);
    uint64_t random;
    if (!partial || getrandom(&random, sizeof random, 0) != sizeof random) {
        fail(f, partial ? EIO : ENOMEM, "cannot write");
        sph_free(partial);
        return;
    }
    snprintf(partial, size, "%s.part-%016llx", f->path, (unsigned long long)random);
    f->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        fail(f, errno, "cannot create a file beside");
        sph_free(partial);
        return;
    }
    f->partial = partial;
    if (sph_window_open(&f->window, PIECES, PIECE_SIZE, 0, INT64_MAX) < 0)
        fail(f, ENOMEM, "cannot write");
}

static sph_body *new_file(sph_engine *engine, const char *path, const sph_body_type *type, bool writing) {
    file_body *f = sph_body_new(engine, type, sizeof *f);
    if (!f)
        return NULL;
    f->fd = -1;
    f->writing = writing;
    f->window.submit = submit;
    f->window.settled = settled;
    f->window.owner = f;
    f->path = sph_strdup(path);
    if (!f->path) {
        release_file(&f->body);
        return NULL;
    }
    return &f->body;
}

sph_body *sph_body_from_file(sph_engine *engine, const char *path) {
    static const sph_body_type type = {.open = open_source,
                                       .read = read_file,
                                       .finish = finish_file,
                                       .busy = file_busy,
                                       .release = release_file};
    return new_file(engine, path, &type, false);
}

sph_body *sph_body_to_file(sph_engine *engine, const char *path) {
    static const sph_body_type type = {.open = open_sink,
                                       .write = write_file,
                                       .finish = finish_file,
                                       .busy = file_busy,
                                       .release = release_file};
    return new_file(engine, path, &type, true);
}
