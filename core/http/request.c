#include "http/request.h"

#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- what may be said ----------------------------------------------------------------------------------- */

/* RFC 9110 5.6.2. */
static bool is_token(const char *s, size_t length) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < length; i++) {
        char c = s[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return length > 0;
}

const char *sph_http_bad_method(const char *method, size_t length) {
    return is_token(method, length) ? NULL : "an HTTP method is a word such as GET";
}

const char *sph_http_bad_url(const char *url, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return "a URL holds no spaces and no control characters: percent-encode them";
    return length ? NULL : "the URL is empty";
}

const char *sph_http_bad_header_name(const char *name, size_t length) {
    if (!is_token(name, length))
        return "a header's name is made of letters, digits and hyphens";
    /* Who sets these by hand makes the server see other borders of the body than those that are sent. */
    static const char *const reserved[] = {"Content-Length", "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strlen(reserved[i]) == length && strncasecmp(name, reserved[i], length) == 0)
            return "this header follows from the body";
    return NULL;
}

const char *sph_http_bad_header_value(const char *value, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return "a header's value holds no line ends and no other control characters";
    return NULL;
}

/* --- headers -------------------------------------------------------------------------------------------- */

static bool carries_credentials(const char *name, size_t length) {
    static const char *const names[] = {"Authorization", "Proxy-Authorization", "Cookie",
                                        "X-Auth-Token",  "X-Service-Token",     "X-Subject-Token"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncasecmp(name, names[i], length) == 0)
            return true;
    return false;
}

int sph_http_add_header(sph_http_request *request, const char *name, size_t name_length, const char *value,
                        size_t value_length, bool secret) {
    size_t size = sizeof(sph_http_header) + name_length + 2 + value_length + 1;
    sph_http_header *header = sph_alloc(size);
    if (!header)
        return -ENOMEM;
    char *line = (char *)(header + 1);
    memcpy(line, name, name_length);
    line[name_length] = value_length ? ':' : ';'; /* the second tells curl to send a header without a value */
    if (value_length) {
        line[name_length + 1] = ' ';
        memcpy(line + name_length + 2, value, value_length);
    }
    header->link.data = line;
    header->size = size;
    header->secret = secret || carries_credentials(name, name_length);
    if (request->last_header)
        request->last_header->link.next = &header->link;
    else
        request->headers = header;
    request->last_header = header;
    return 0;
}

bool sph_http_has_header(const sph_http_request *request, const char *name) {
    size_t length = strlen(name);
    for (const struct curl_slist *h = &request->headers->link; request->headers && h; h = h->next)
        if (strncasecmp(h->data, name, length) == 0 && (h->data[length] == ':' || h->data[length] == ';'))
            return true;
    return false;
}

static void free_header(sph_http_header *header) {
    explicit_bzero(header, header->size);
    sph_free(header);
}

static void remove_headers(sph_http_request *request, bool all) {
    sph_http_header *next, *h = request->headers;
    request->headers = request->last_header = NULL;
    for (; h; h = next) {
        next = (sph_http_header *)h->link.next;
        if (all || h->secret) {
            free_header(h);
            continue;
        }
        h->link.next = NULL;
        if (request->last_header)
            request->last_header->link.next = &h->link;
        else
            request->headers = h;
        request->last_header = h;
    }
}

void sph_http_drop_secret_headers(sph_http_request *request) {
    remove_headers(request, false);
}

void sph_http_free_headers(sph_http_request *request) {
    remove_headers(request, true);
}

/* --- URLs ----------------------------------------------------------------------------------------------- */

static CURLU *parse(const char *url) {
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
        return u;
    curl_url_cleanup(u);
    return NULL;
}

/* A part in memory of our own, so that one allocator owns all that leaves this file. */
static char *part_of(CURLU *u, CURLUPart what, unsigned flags) {
    char *part = NULL;
    if (!u || curl_url_get(u, what, &part, flags) != CURLUE_OK)
        return NULL;
    char *copy = sph_strdup(part);
    curl_free(part);
    return copy;
}

char *sph_http_resolve(const char *base, const char *location) {
    CURLU *u = parse(base);
    char *resolved = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK)
        resolved = part_of(u, CURLUPART_URL, 0);
    curl_url_cleanup(u);
    return resolved;
}

char *sph_http_public_url(const char *url) {
    CURLU *u = parse(url);
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                       CURLUPART_FRAGMENT};
    for (size_t i = 0; u && i < sizeof hidden / sizeof *hidden; i++)
        curl_url_set(u, hidden[i], NULL, 0);
    char *shown = part_of(u, CURLUPART_URL, 0);
    curl_url_cleanup(u);
    return shown;
}

char *sph_http_authority(const char *url) {
    CURLU *u = parse(url);
    char *host = part_of(u, CURLUPART_HOST, 0), *port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *authority = NULL;
    if (host && port) {
        size_t size = strlen(host) + strlen(port) + 2;
        authority = sph_alloc(size);
        if (authority)
            snprintf(authority, size, "%s:%s", host, port);
    }
    sph_free(host);
    sph_free(port);
    curl_url_cleanup(u);
    return authority;
}

bool sph_http_is_tls(const char *url) {
    return strncasecmp(url, "https:", 6) == 0;
}

bool sph_http_same_origin(const char *a, const char *b) {
    char *x = sph_http_authority(a), *y = sph_http_authority(b);
    bool same = x && y && strcasecmp(x, y) == 0 && sph_http_is_tls(a) == sph_http_is_tls(b);
    sph_free(x);
    sph_free(y);
    return same;
}
