/* Glance's endpoint, as catalogs and operators write it, and the URLs beneath it.
 *
 * Thread: any. */
#ifndef SPH_GLANCE_ENDPOINT_H
#define SPH_GLANCE_ENDPOINT_H

#include <stddef.h>

/* The endpoint without what a client adds itself: "http://host:9292/" and "https://host/image/v2" become
 * "http://host:9292" and "https://host/image". NULL when memory is out, or, with *why set, when it is no
 * endpoint. */
char *sph_glance_endpoint(const char *text, const char **why);

/* NULL when `path` may follow an endpoint, else what is wrong with it. */
const char *sph_glance_bad_path(const char *path);

/* endpoint and path in one; `size` bytes at `url` must hold both and a NUL. */
void sph_glance_url(char *url, size_t size, const char *endpoint, const char *path);

#endif
