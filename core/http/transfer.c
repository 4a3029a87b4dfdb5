#include "http/transfer.h"

#include "engine/memory.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* How long a server may take to say "100 Continue" before a file or an image is sent without it. Waiting is
 * worth it: an answer like 401 or 409 then comes before the first byte was read from the source. A string can
 * be sent again, and many servers never say it (uwsgi, HTTP/1.0 proxies): it does not wait. */
#define CONTINUE_MS 3000L
#define BUFFER_SIZE (512L << 10)
#define STALL_CHECKS 4

static void end(sph_transfer *t, bool keep);

static sph_transfer *of_flow(sph_flow *flow) {
    return (sph_transfer *)((char *)flow - offsetof(sph_transfer, flow));
}

const char *sph_transfer_url(const sph_transfer *t) {
    return t->url ? t->url : t->request.url;
}

static void fail(sph_transfer *t, sph_error *error) {
    sph_op_fail(&t->op, sph_transfer_locate(t, error));
}

static void fail_from_body(sph_transfer *t, sph_body *body) {
    sph_error *error = body->error;
    body->error = NULL;
    fail(t, error);
}

/* Takes the transfer out of curl's hands, wherever it is. */
static void stop_curl(sph_transfer *t) {
    sph_multi_remove(&t->flow);
    curl_easy_cleanup(t->flow.easy);
    t->flow.easy = NULL;
    sph_timer_stop(sph_engine_loop(t->op.engine), &t->stall);
}

/* --- curl's callbacks: they only move bytes and take notes ---------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t count, void *user) {
    sph_transfer *t = user;
    size_t given = t->source->type->read(t->source, to, size * count);
    t->response.sent += given;
    if (given) {
        t->body_sent = true;
        if (t->digest)
            sph_digest_add(t->digest, to, given);
        sph_op_progress(&t->op, t->response.sent, t->source->length);
        return given;
    }
    if (t->source->error)
        return CURL_READFUNC_ABORT;
    if (t->response.sent == t->source->length)
        return 0;
    t->paused |= CURLPAUSE_SEND;
    return CURL_READFUNC_PAUSE;
}

static bool sends_body(const sph_transfer *t) {
    return t->source && !t->bodiless;
}

static bool is_success(const sph_transfer *t) {
    return t->response.status >= 200 && t->response.status < 300;
}

static bool is_redirect(const sph_transfer *t) {
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (t->response.status == statuses[i])
            return t->request.max_redirects && sph_http_field_of(&t->response, "location");
    return false;
}

static uint64_t expected_length(const sph_transfer *t) {
    curl_off_t length = -1;
    curl_easy_getinfo(t->flow.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length > 0 ? (uint64_t)length : 0;
}

static size_t refuse(size_t size) {
    return size ? 0 : 1; /* any other number than the one that curl gave */
}

static size_t on_write(char *data, size_t size, size_t count, void *user) {
    sph_transfer *t = user;
    size *= count;
    if (!t->sink || !is_success(t)) {
        int rc = sph_http_take_body(&t->response, data, size, t->request.max_body);
        if (rc == -EMSGSIZE)
            fail(t, sph_error_new("http.too_large", t->op.type->name, "the answer has more than %llu bytes",
                                  (unsigned long long)t->request.max_body));
        else if (rc < 0)
            fail(t, sph_error_errno(rc, t->op.type->name, "cannot keep the answer"));
        if (rc < 0)
            return refuse(size);
    } else if (!t->sink->type->write(t->sink, data, size)) {
        if (t->sink->error)
            return refuse(size);
        t->paused |= CURLPAUSE_RECV;
        return CURL_WRITEFUNC_PAUSE;
    }
    t->response.received += size;
    if (!sends_body(t))
        sph_op_progress(&t->op, t->response.received, expected_length(t));
    return size;
}

static size_t on_header(char *line, size_t size, size_t count, void *user) {
    sph_transfer *t = user;
    size *= count;
    int rc = sph_http_take_line(&t->response, line, size);
    if (rc == 0)
        return size;
    fail(t, rc == -EMSGSIZE
                ? sph_error_new("http.too_large", t->op.type->name,
                                "the head of the answer has more than %zu bytes", SPH_HTTP_MAX_HEAD)
                : sph_error_errno(rc, t->op.type->name, "cannot keep the head of the answer"));
    return refuse(size);
}

/* --- telling curl --------------------------------------------------------------------------------------- */

static bool is_safe(const char *method) {
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static void set_method(sph_transfer *t) {
    CURL *easy = t->flow.easy;
    const char *method = t->request.method;
    if (sends_body(t)) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->source->length);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS, CONTINUE_MS);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
        /* No CURLOPT_SEEKFUNCTION: when a kept connection turns out to be dead, curl would send a body anew;
         * without it, that is an error of ours to report and the caller's to decide. */
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    /* Without a body curl would do so all the same: harmless where nothing is changed, else a kept connection
     * is not used. */
    if (!(sends_body(t) && t->source->length) && !is_safe(method))
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_tls(sph_transfer *t) {
    CURL *easy = t->flow.easy;
    const sph_http_request *r = &t->request;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, r->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, r->insecure ? 0L : 2L);
    if (r->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca_file);
    if (r->cert_file)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, r->cert_file);
    if (r->key_file)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, r->key_file);
}

static long milliseconds(double seconds) {
    return seconds <= 0 ? 0 : seconds < 0.001 ? 1 : seconds > 1e6 ? 1000000000L : (long)(seconds * 1000);
}

/* curl asks for "100 Continue" before any upload, unless a header without a value forbids it. */
static struct curl_slist *headers_of(sph_transfer *t) {
    static char no_expect[] = "Expect:";
    struct curl_slist *headers = t->request.headers ? &t->request.headers->link : NULL;
    if (!sends_body(t) || !t->source->type->rewind)
        return headers;
    t->at_once = (struct curl_slist){.data = no_expect, .next = headers};
    return &t->at_once;
}

/* A child that has the socket too would keep the connection open when it ends here, and a Glance that waits for the rest of
 * a body would wait, with the image open, for as long as the child lives. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *to) {
    (void)user;
    (void)purpose;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_options(sph_transfer *t) {
    CURL *easy = t->flow.easy;
    const sph_http_request *r = &t->request;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
    curl_easy_setopt(easy, CURLOPT_URL, sph_transfer_url(t));
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    /* One stream, one flow control: pausing it pauses the peer. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else removing a transfer that still resolves its host waits for the resolver, perhaps for seconds. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, t->sink ? BUFFER_SIZE : 16L << 10);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "siphon");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_of(t));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r->connect_timeout));
    if (t->deadline > 0) {
        double left = t->deadline - sph_now();
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left > 0 ? milliseconds(left) : 1L);
    }
    if (r->proxy) {
        curl_easy_setopt(easy, CURLOPT_PROXY, r->proxy);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* else no_proxy of the environment still counts */
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    set_tls(t);
    set_method(t);
}

/* --- stalls --------------------------------------------------------------------------------------------- */

static uint64_t moved_so_far(const sph_transfer *t) {
    curl_off_t up = 0, down = 0;
    curl_easy_getinfo(t->flow.easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(t->flow.easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    return (uint64_t)up + (uint64_t)down + t->response.head_size + (uint64_t)t->response.status;
}

static void watch_for_stall(sph_transfer *t) {
    if (t->request.stall_timeout > 0) /* when memory is out: then without */
        sph_timer_start(sph_engine_loop(t->op.engine), &t->stall, t->request.stall_timeout / STALL_CHECKS);
}

static void check_stall(sph_timer *timer) {
    sph_transfer *t = (sph_transfer *)((char *)timer - offsetof(sph_transfer, stall));
    uint64_t moved = moved_so_far(t);
    double now = sph_now();
    if (moved != t->moved) {
        t->moved = moved;
        t->moved_at = now;
    }
    if (now - t->moved_at < t->request.stall_timeout) {
        watch_for_stall(t);
        return;
    }
    sph_error *e = sph_error_new("http.timeout", t->op.type->name, "%s for %g seconds",
                                 t->paused & CURLPAUSE_SEND   ? "the source of the body gave nothing"
                                 : t->paused & CURLPAUSE_RECV ? "the sink took nothing of the answer"
                                                              : "nothing moved in either direction",
                                 t->request.stall_timeout);
    e->retryable = true;
    fail(t, e);
    end(t, false);
}

/* --- one hop -------------------------------------------------------------------------------------------- */

static void ended(sph_flow *flow, CURLcode result);

static void begin_hop(sph_transfer *t) {
    sph_multi *multi = sph_multi_of(t->op.engine);
    t->flow.easy = multi ? curl_easy_init() : NULL;
    if (!t->flow.easy) {
        fail(t, sph_error_errno(ENOMEM, t->op.type->name, "cannot begin"));
        end(t, false);
        return;
    }
    t->phase = SPH_TRANSFER_RUNNING;
    t->paused = 0;
    t->flow.ended = ended;
    set_options(t);
    if (sph_multi_add(multi, &t->flow) != CURLM_OK) {
        fail(t, sph_error_errno(ENOMEM, t->op.type->name, "cannot begin"));
        end(t, false);
        return;
    }
    t->moved = moved_so_far(t);
    t->moved_at = sph_now();
    t->stall.fire = check_stall;
    watch_for_stall(t);
}

/* The next hop's URL, or NULL after the transfer failed. */
static char *next_url(sph_transfer *t) {
    const char *op = t->op.type->name, *location = sph_http_field_of(&t->response, "location");
    char *url = sph_http_resolve(sph_transfer_url(t), location);
    char *shown = url ? sph_http_public_url(url) : NULL;
    sph_error *e = NULL;
    if (!url || (strncasecmp(url, "http:", 5) != 0 && !sph_http_is_tls(url)))
        e = sph_error_new("http.redirect", op, "the server redirects to something that is not an HTTP URL");
    else if (sph_http_is_tls(sph_transfer_url(t)) && !sph_http_is_tls(url))
        e = sph_error_new("http.redirect", op, "the server redirects from https to http, to %s",
                          shown ? shown : "");
    else if (++t->redirects > t->request.max_redirects)
        e = sph_error_new("http.redirect", op, "more than %u redirects, the last one to %s",
                          t->request.max_redirects, shown ? shown : "");
    if (e) {
        sph_free(url);
        url = NULL;
        fail(t, e);
    }
    sph_free(shown);
    return url;
}

static void follow(sph_transfer *t) {
    bool see_other = t->response.status == 303 && strcmp(t->request.method, "HEAD") != 0;
    bool again = sends_body(t) && t->body_sent && !see_other;
    if (again && !t->source->type->rewind) {
        fail(t, sph_error_new(
                    "http.redirect", t->op.type->name,
                    "the server redirects after it had taken some of the body, which can be sent only once"));
        end(t, false);
        return;
    }
    char *url = next_url(t);
    if (!url) {
        end(t, false);
        return;
    }
    if (again) {
        t->source->type->rewind(t->source);
        t->body_sent = false;
        if (t->digest)
            sph_digest_restart(t->digest);
    }
    if (!sph_http_same_origin(sph_transfer_url(t), url))
        sph_http_drop_secret_headers(&t->request);
    if (see_other) {
        t->request.method = "GET";
        t->bodiless = true;
    }
    sph_free(t->url);
    t->url = url;
    stop_curl(t);
    sph_http_clear(&t->response);
    t->response.sent = t->response.received = 0;
    begin_hop(t);
}

static void ended(sph_flow *flow, CURLcode result) {
    sph_transfer *t = of_flow(flow);
    sph_timer_stop(sph_engine_loop(t->op.engine), &t->stall);
    if (t->source && t->source->error)
        fail_from_body(t, t->source);
    else if (t->sink && t->sink->error)
        fail_from_body(t, t->sink);
    else if (result != CURLE_OK)
        fail(t, sph_transfer_failure(t, result));
    else if (!t->op.error && is_redirect(t)) {
        follow(t);
        return;
    }
    end(t, !t->op.error);
}

/* --- the bodies: before curl, meanwhile, and after it --------------------------------------------------- */

static void settle(sph_transfer *t) {
    bool busy = (t->source && t->source->type->busy(t->source)) || (t->sink && t->sink->type->busy(t->sink));
    if (busy || t->phase != SPH_TRANSFER_ENDING)
        return;
    t->phase = SPH_TRANSFER_ENDED;
    if (t->sink && t->sink->error)
        fail_from_body(t, t->sink);
    sph_op_complete(&t->op);
}

/* keep: the answer is complete. What failed is in op.error. */
static void end(sph_transfer *t, bool keep) {
    stop_curl(t);
    t->phase = SPH_TRANSFER_ENDING;
    if (t->source)
        t->source->type->finish(t->source, false);
    if (t->sink)
        t->sink->type->finish(t->sink, keep && is_success(t));
    settle(t);
}

static void body_changed(void *owner) {
    sph_transfer *t = owner;
    if (t->phase == SPH_TRANSFER_ENDING) {
        settle(t);
        return;
    }
    if (t->phase != SPH_TRANSFER_RUNNING)
        return;
    CURLcode result = CURLE_OK;
    if ((t->source && t->source->error) || (t->sink && t->sink->error)) {
        result = CURLE_ABORTED_BY_CALLBACK;
    } else if (t->paused) {
        t->paused = 0; /* the callbacks that curl goes back to set it again if they must */
        result = curl_easy_pause(t->flow.easy, CURLPAUSE_CONT);
    }
    if (result == CURLE_OK)
        return;
    sph_multi_remove(&t->flow);
    ended(&t->flow, result);
}

static void open_bodies(sph_job *job) {
    sph_transfer *t = (sph_transfer *)((char *)job - offsetof(sph_transfer, opening));
    if (t->source && t->source->type->open)
        t->source->type->open(t->source);
    if (t->sink && t->sink->type->open && !(t->source && t->source->error))
        t->sink->type->open(t->sink);
}

static void bodies_open(sph_job *job) {
    sph_transfer *t = (sph_transfer *)((char *)job - offsetof(sph_transfer, opening));
    if (!job->worked)
        fail(t, sph_error_errno(EAGAIN, t->op.type->name, "no thread could be started"));
    if (t->source && t->source->error)
        fail_from_body(t, t->source);
    if (t->sink && t->sink->error)
        fail_from_body(t, t->sink);
    if (sph_op_is_cancelled(&t->op))
        fail(t, sph_error_errno(ECANCELED, t->op.type->name, "stopped"));
    if (t->op.error)
        end(t, false);
    else
        begin_hop(t);
}

/* --- the operation -------------------------------------------------------------------------------------- */

static void adopt(sph_transfer *t, sph_body *body) {
    if (!body)
        return;
    body->changed = body_changed;
    body->owner = t;
}

void sph_transfer_start(sph_op *op) {
    sph_transfer *t = (sph_transfer *)op;
    adopt(t, t->source);
    adopt(t, t->sink);
    if (t->request.timeout > 0)
        t->deadline = sph_now() + t->request.timeout;
    if (!(t->source && t->source->type->open) && !(t->sink && t->sink->type->open)) {
        begin_hop(t);
        return;
    }
    t->phase = SPH_TRANSFER_OPENING;
    t->opening.work = open_bodies;
    t->opening.done = bodies_open;
    sph_job_start(&t->opening, op->engine);
}

void sph_transfer_cancel(sph_op *op) {
    sph_transfer *t = (sph_transfer *)op;
    if (t->phase != SPH_TRANSFER_RUNNING)
        return; /* the bodies are being opened, which bodies_open looks into; or it ends already */
    fail(t, sph_error_errno(ECANCELED, op->type->name, "stopped"));
    end(t, false);
}

void sph_transfer_release(sph_op *op) {
    sph_transfer *t = (sph_transfer *)op;
    if (t->source)
        t->source->type->release(t->source);
    if (t->sink)
        t->sink->type->release(t->sink);
    sph_digest_free(t->digest);
    sph_http_free_headers(&t->request);
    sph_http_clear(&t->response);
    sph_free(t->url);
}
