/* curl on the loop: one multi handle per engine, so that connections are kept and used again.
 *
 * curl's sockets are watches of the loop and its timeout is one of the loop's timers. What curl calls back
 * into must not call curl again; ended transfers are therefore reported after curl has returned.
 *
 * Thread: the loop thread. The engine frees it, after the last transfer has ended. */
#ifndef SPH_HTTP_MULTI_H
#define SPH_HTTP_MULTI_H

#include "engine/engine.h"

#include <curl/curl.h>

typedef struct sph_multi sph_multi;

/* An easy handle while curl works on it. Embedded in a transfer. */
typedef struct sph_flow {
    CURL *easy;
    void (*ended)(struct sph_flow *flow, CURLcode result); /* the handle is out of curl's hands again */
    sph_multi *multi;
    struct sph_flow *prev, *next;
} sph_flow;

/* The engine's, made at the first use; NULL when memory is out. */
sph_multi *sph_multi_of(sph_engine *engine);
/* `easy` and `ended` are set. Ends in `ended`, never before it returned, unless it is removed before. */
CURLMcode sph_multi_add(sph_multi *multi, sph_flow *flow);
void sph_multi_remove(sph_flow *flow);

#endif
