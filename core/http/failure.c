/* From curl's results to errors with codes of their own, and with what to do about them. */
#include "http/transfer.h"

#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

sph_error *sph_transfer_locate(const sph_transfer *t, sph_error *e) {
    char *url = sph_http_public_url(sph_transfer_url(t));
    sph_error_where(e, SPH_WHERE_URL, url);
    sph_free(url);
    if (strcmp(e->code, "ENOMEM") == 0)
        return e; /* perhaps the one error that all share */
    if (t->response.head == SPH_HEAD_DONE) {
        const char *id = sph_http_field_of(&t->response, "x-openstack-request-id");
        e->http_status = t->response.status;
        snprintf(e->request_id, sizeof e->request_id, "%s", id ? id : "");
    }
    return e;
}

/* "<what> host:port: <detail>; <advice>", the last two where there are any. */
static sph_error *make(const sph_transfer *t, const char *code, bool retryable, const char *what,
                       const char *detail, const char *advice) {
    char *authority = sph_http_authority(sph_transfer_url(t));
    sph_error *e =
        sph_error_new(code, t->op.type->name, "%s %s%s%s%s%s", what, authority ? authority : "the server",
                      *detail ? ": " : "", detail, *advice ? "; " : "", advice);
    sph_free(authority);
    if (strcmp(e->code, code) == 0)
        e->retryable = retryable;
    return e;
}

static sph_error *no_connection(const sph_transfer *t) {
    long errnum = 0;
    char text[128];
    curl_easy_getinfo(t->flow.easy, CURLINFO_OS_ERRNO, &errnum);
    sph_error *e = make(t, "http.connect", true, "cannot connect to",
                        errnum ? strerror_r((int)errnum, text, sizeof text) : t->curl_text, "");
    if (strcmp(e->code, "http.connect") == 0)
        e->errnum = (int)errnum;
    return e;
}

/* A connection was there: TLS, where asked for, included. */
static bool was_connected(const sph_transfer *t) {
    curl_off_t ready = 0;
    curl_easy_getinfo(t->flow.easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    return ready > 0;
}

static sph_error *timed_out(const sph_transfer *t) {
    bool all = t->deadline > 0 && sph_now() >= t->deadline - 0.05;
    char limit[64];
    snprintf(limit, sizeof limit, "%g seconds are over",
             all ? t->request.timeout : t->request.connect_timeout);
    return make(t, "http.timeout", true, was_connected(t) ? "no complete answer of" : "no connection to",
                limit, "");
}

/* curl reports a proxy that refuses a tunnel as a failed receive. */
static bool refused_by_proxy(const sph_transfer *t) {
    long status = 0;
    curl_easy_getinfo(t->flow.easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300;
}

static const char about_proxies[] = "the proxy comes from http_proxy, https_proxy, all_proxy and no_proxy";

sph_error *sph_transfer_failure(const sph_transfer *t, CURLcode result) {
    const char *text = t->curl_text;
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(t);
    case CURLE_COULDNT_RESOLVE_HOST:
        return make(t, "http.connect", true, "no address is known of", "", "");
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return no_connection(t);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return make(t, "http.connect", true, "cannot go through the proxy to", text, about_proxies);
    case CURLE_PEER_FAILED_VERIFICATION:
        return make(t, "http.tls", false, "the certificate is not trusted of", text,
                    "ca_file (OS_CACERT) names the authority to trust");
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ENGINE_NOTFOUND:
        return make(t, "http.tls", false, "a certificate or key file cannot be used with", text,
                    "look at ca_file, cert_file and key_file");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
        return make(t, "http.tls", false, "no TLS connection with", text, "");
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        if (refused_by_proxy(t))
            return make(t, "http.connect", false, "the proxy refuses to connect to", text, about_proxies);
        return make(t, "http.cut", true, "the connection was cut by", text, "");
    case CURLE_SEND_FAIL_REWIND:
        return make(t, "http.cut", true, "the connection was cut by",
                    "some of the body had been sent already", "");
    case CURLE_URL_MALFORMAT:
        return sph_error_new("http.url", t->op.type->name,
                             "a URL looks like http://host:port/path, this one cannot be read");
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (was_connected(t))
            return make(t, "http.protocol", false, "no HTTP is spoken by", text, "");
        return sph_error_new("http.url", t->op.type->name, "a URL begins with http:// or https://: %s", text);
    case CURLE_OUT_OF_MEMORY:
        if (t->response.head ==
            SPH_HEAD_OPEN) /* how curl before 8.6 says that a line is longer than it takes */
            return make(t, "http.too_large", false, "a header has no end, in the answer of", "", "");
        return sph_error_errno(ENOMEM, t->op.type->name, "the transfer stopped");
    case CURLE_FAILED_INIT:
        return sph_error_errno(ENOMEM, t->op.type->name, "the transfer stopped");
    default:
        return make(t, "http.protocol", false, "not understood, the answer of",
                    *text ? text : curl_easy_strerror(result), "");
    }
}
