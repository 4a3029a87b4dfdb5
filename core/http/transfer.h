/* A transfer: one HTTP request and its answer, as an operation.
 *
 * It goes through four phases: the bodies are opened (on a worker), curl works, the bodies come to rest
 * (pieces in flight return, a sink is completed or dropped), the operation completes. Cancelling skips to the
 * third, so memory that librbd reads or writes is never freed under it.
 *
 * Redirects are followed here rather than by curl, since curl sends any header that it was given to wherever
 * it is led; here, credentials stay with the origin that they were given for.
 *
 * Thread: the loop thread. */
#ifndef SPH_HTTP_TRANSFER_H
#define SPH_HTTP_TRANSFER_H

#include "ceph/digest.h"
#include "http/body.h"
#include "http/job.h"
#include "http/multi.h"
#include "http/request.h"
#include "http/response.h"

typedef enum {
    SPH_TRANSFER_NEW,
    SPH_TRANSFER_OPENING,
    SPH_TRANSFER_RUNNING,
    SPH_TRANSFER_ENDING,
    SPH_TRANSFER_ENDED
} sph_transfer_phase;

typedef struct sph_transfer {
    sph_op op;
    sph_http_request request;
    sph_body *source;       /* NULL: no body */
    sph_body *sink;         /* NULL: the answer is kept in memory; so is one that is not a success */
    sph_digest *digest;     /* of the body that is sent; or NULL */
    sph_object *objects[2]; /* what they read and write, or NULL */
    sph_http_response response;
    sph_transfer_phase phase;
    char *url; /* of this hop, once redirected */
    sph_flow flow;
    sph_job opening;
    sph_timer stall;
    uint64_t moved; /* what the stall timer saw last */
    double moved_at, deadline;
    int paused; /* CURLPAUSE_SEND, CURLPAUSE_RECV: what curl waits for us with */
    unsigned redirects;
    bool body_sent;            /* some of the source was handed to curl */
    bool bodiless;             /* a redirect asks to go on without it */
    struct curl_slist at_once; /* in front of the headers: the body does not wait for "100 Continue" */
    char curl_text[CURL_ERROR_SIZE];
} sph_transfer;

/* For sph_op_type: start, cancel, release. */
void sph_transfer_start(sph_op *op);
void sph_transfer_cancel(sph_op *op);
void sph_transfer_release(sph_op *op);

/* The URL that is or was asked last. */
const char *sph_transfer_url(const sph_transfer *transfer);

/* failure.c: the error that curl's result stands for. */
sph_error *sph_transfer_failure(const sph_transfer *transfer, CURLcode result);
/* Adds where it happened, and what the server had said until then. Returns e. */
sph_error *sph_transfer_locate(const sph_transfer *transfer, sph_error *e);

#endif
