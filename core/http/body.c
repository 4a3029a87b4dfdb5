#include "http/body.h"

#include "engine/memory.h"

#include <string.h>

void *sph_body_new(sph_engine *engine, const sph_body_type *type, size_t size) {
    sph_body *body = sph_alloc(size);
    if (body) {
        body->type = type;
        body->engine = engine;
    }
    return body;
}

void sph_body_fail(sph_body *body, sph_error *error) {
    if (body->error)
        sph_error_free(error);
    else
        body->error = error;
}

/* --- memory --------------------------------------------------------------------------------------------- */

typedef struct {
    sph_body body;
    const char *data;
    size_t taken;
} memory_body;

static size_t read_memory(sph_body *body, char *to, size_t size) {
    memory_body *m = (memory_body *)body;
    size_t left = (size_t)body->length - m->taken;
    if (size > left)
        size = left;
    memcpy(to, m->data + m->taken, size);
    m->taken += size;
    return size;
}

static void rewind_memory(sph_body *body) {
    ((memory_body *)body)->taken = 0;
}

static void finish_memory(sph_body *body, bool keep) {
    (void)body;
    (void)keep;
}

static bool never_busy(const sph_body *body) {
    (void)body;
    return false;
}

static void release_memory(sph_body *body) {
    sph_error_free(body->error);
    sph_free(body);
}

sph_body *sph_body_from_memory(sph_engine *engine, const void *data, size_t length) {
    static const sph_body_type type = {.read = read_memory,
                                       .rewind = rewind_memory,
                                       .finish = finish_memory,
                                       .busy = never_busy,
                                       .release = release_memory};
    memory_body *m = sph_body_new(engine, &type, sizeof *m);
    if (!m)
        return NULL;
    m->data = data;
    m->body.length = length;
    return &m->body;
}
