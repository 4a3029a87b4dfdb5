/* Worker threads: they run the operations that block.
 *
 * A thread is started when work arrives and none is idle, so that calls which hang (a cluster that does not
 * answer) do not starve the others until LIMIT of them hang at once. */
#include "engine/internal.h"

#include <errno.h>
#include <signal.h>

#define LIMIT 64

int sph_workers_start(sph_workers *workers) {
    workers->ids = sph_alloc(LIMIT * sizeof *workers->ids);
    if (!workers->ids)
        return -ENOMEM;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    return 0;
}

static void *work(void *context) {
    sph_workers *workers = context;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (!workers->first && !workers->stopping) {
            workers->idle++;
            pthread_cond_wait(&workers->work, &workers->lock);
            workers->idle--;
        }
        sph_op *op = workers->first;
        if (!op)
            break;
        workers->first = op->next_job;
        workers->queued--;
        pthread_mutex_unlock(&workers->lock);
        op->type->run(op);
        sph_op_complete(op);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Signals are for the threads of the program: none is taken here. */
static int start_thread(sph_workers *workers) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&workers->ids[workers->threads], NULL, work, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void sph_workers_add(sph_engine *engine, sph_op *op) {
    sph_workers *workers = &engine->workers;
    int rc = 0;
    pthread_mutex_lock(&workers->lock);
    if (workers->queued >= workers->idle && workers->threads < LIMIT) {
        rc = start_thread(workers);
        if (rc == 0)
            workers->threads++;
    }
    if (workers->threads == 0) {
        pthread_mutex_unlock(&workers->lock);
        sph_op_fail(op, sph_error_errno(rc, op->type->name, "no thread could be started"));
        sph_op_complete(op);
        return;
    }
    op->next_job = NULL;
    if (workers->first)
        workers->last->next_job = op;
    else
        workers->first = op;
    workers->last = op;
    workers->queued++;
    pthread_cond_signal(&workers->work);
    pthread_mutex_unlock(&workers->lock);
}

void sph_workers_stop(sph_workers *workers) {
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->threads; i++)
        pthread_join(workers->ids[i], NULL);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
    sph_free(workers->ids);
}
