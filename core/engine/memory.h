/* Memory: every allocation of the core, and of the Lua states that the core makes, passes through here.
 *
 * Thread: any. The counters exist so that the out-of-memory specs can let the N-th allocation fail and then
 * prove that nothing leaked; a build without SPH_TEST_MEMORY compiles them away. */
#ifndef SPH_MEMORY_H
#define SPH_MEMORY_H

#include <stddef.h>

/* Zeroed memory, or NULL. */
void *sph_alloc(size_t size);
/* As realloc(3); new bytes are not zeroed. */
void *sph_realloc(void *p, size_t size);
/* A copy of s, or NULL when s is NULL or memory is out. */
char *sph_strdup(const char *s);
void sph_free(void *p);

#ifdef SPH_TEST_MEMORY
/* The n-th allocation from now on fails, and so does every later one when `sticky`; 0 turns that off. */
void sph_memory_fail_at(long n, int sticky);
/* How many allocations were asked for, how many blocks are live. */
long sph_memory_asked(void);
long sph_memory_live(void);
#endif

#endif
