/* Jobs: a function that blocks, run on a worker thread for some longer-lived struct that goes on afterwards.
 *
 * The job is embedded in its owner. It always ends in `done`, where it may be started again or freed with its
 * owner; it needs no memory of its own.
 *
 * Thread: `work` on a worker, everything else on the loop thread. */
#ifndef SPH_HTTP_JOB_H
#define SPH_HTTP_JOB_H

#include "engine/op.h"

typedef struct sph_job {
    sph_op op;
    void (*work)(struct sph_job *job);
    void (*done)(struct sph_job *job);
    bool worked; /* false in `done` when no thread could be had */
} sph_job;

void sph_job_start(sph_job *job, struct sph_engine *engine);

#endif
