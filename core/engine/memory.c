#include "engine/memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef SPH_TEST_MEMORY
#include <stdatomic.h>
#include <stdbool.h>

static atomic_long asked, live, fail_at;
static atomic_bool fail_sticky;

void sph_memory_fail_at(long n, int sticky) {
    atomic_store(&fail_sticky, sticky != 0);
    atomic_store(&fail_at, n);
}

long sph_memory_asked(void) {
    return atomic_load(&asked);
}

long sph_memory_live(void) {
    return atomic_load(&live);
}

static bool refused(void) {
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&fail_at) <= 0)
        return false;
    if (atomic_fetch_sub(&fail_at, 1) > 1)
        return false;
    if (atomic_load(&fail_sticky))
        atomic_store(&fail_at, 1);
    return true;
}

static void count(int change) {
    atomic_fetch_add(&live, change);
}
#else
#define refused() 0
#define count(change) ((void)0)
#endif

void *sph_alloc(size_t size) {
    if (refused())
        return NULL;
    void *p = calloc(1, size ? size : 1);
    if (p)
        count(1);
    return p;
}

void *sph_realloc(void *p, size_t size) {
    if (refused())
        return NULL;
    void *q = realloc(p, size ? size : 1);
    if (q && !p)
        count(1);
    return q;
}

char *sph_strdup(const char *s) {
    if (!s)
        return NULL;
    size_t size = strlen(s) + 1;
    char *copy = sph_alloc(size);
    if (copy)
        memcpy(copy, s, size);
    return copy;
}

void sph_free(void *p) {
    if (!p)
        return;
    count(-1);
    free(p);
}
