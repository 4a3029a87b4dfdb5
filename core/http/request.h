/* What a request says: method, URL, headers; and what may be said. Nothing that comes from outside can end a
 * line of the head or add one: a method and a header's name are tokens, values and URLs hold no control
 * characters.
 *
 * Headers are memory of our own, which curl only borrows, and are wiped when freed.
 *
 * Thread: the loop thread. */
#ifndef SPH_HTTP_REQUEST_H
#define SPH_HTTP_REQUEST_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sph_http_header {
    struct curl_slist link; /* first: the list is curl's too; .data is the line */
    size_t size;            /* of the whole block */
    bool secret;            /* not for another origin than the one it was given for */
} sph_http_header;

typedef struct sph_http_request {
    const char *method;
    const char *url;
    sph_http_header *headers, *last_header;
    double connect_timeout; /* seconds; 0 for none, as in the others */
    double timeout;         /* for all of it, redirects included */
    double stall_timeout;   /* without a byte in either direction */
    unsigned max_redirects; /* 0: a redirect is an answer like any other */
    uint64_t max_body;      /* of an answer that is kept in memory */
    const char *ca_file, *cert_file, *key_file;
    const char *proxy; /* NULL: as the environment says; "" for none */
    bool insecure;     /* certificates are not verified */
    const char *const
        *secret_fields; /* names of answered headers that bring secrets; NULL-terminated, or NULL */
} sph_http_request;

/* NULL when it may be sent, else what is wrong with it. */
const char *sph_http_bad_method(const char *method, size_t length);
const char *sph_http_bad_url(const char *url, size_t length);
const char *sph_http_bad_header_name(const char *name, size_t length);
const char *sph_http_bad_header_value(const char *value, size_t length);

/* The name and the value were found good. A value is secret when it is said to be, or when the name is one of
 * those that carry credentials. 0 or -ENOMEM. */
int sph_http_add_header(sph_http_request *request, const char *name, size_t name_length, const char *value,
                        size_t value_length, bool secret);
bool sph_http_has_header(const sph_http_request *request, const char *name);
void sph_http_drop_secret_headers(sph_http_request *request);
void sph_http_free_headers(sph_http_request *request);

/* The absolute form of `location` as seen from `base`; NULL when it is none, or when memory is out. */
char *sph_http_resolve(const char *base, const char *location);
/* Whether both have the same scheme, host and port. */
bool sph_http_same_origin(const char *a, const char *b);
bool sph_http_is_tls(const char *url);
/* The URL as it may be shown: without user, password, query and fragment. NULL when it is not a URL. */
char *sph_http_public_url(const char *url);
/* "host:port" */
char *sph_http_authority(const char *url);

#endif
