#include "http/job.h"

#include <string.h>

static void work(sph_op *op) {
    sph_job *job = (sph_job *)op;
    job->worked = true;
    job->work(job);
}

static void ended(sph_op *op) {
    sph_job *job = (sph_job *)op;
    job->done(job);
}

static const sph_op_type job_type = {
    .name = "http.job", .flags = SPH_OP_EMBEDDED | SPH_OP_SHIELDED, .run = work, .release = ended};

void sph_job_start(sph_job *job, struct sph_engine *engine) {
    memset(&job->op, 0, sizeof job->op);
    job->worked = false;
    sph_op_launch(&job->op, engine, &job_type);
}
