#include "glance/endpoint.h"

#include "engine/memory.h"
#include "http/request.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *bad_endpoint(const char *text) {
    const char *bad = sph_http_bad_url(text, strlen(text));
    if (bad)
        return bad;
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return "it begins with neither http:// nor https://";
    if (strpbrk(text, "?#"))
        return "it has a query or a fragment";
    return NULL;
}

/* "/v2", "/v2.15": a version that the catalog added, behind a host. */
static size_t version_length(const char *text, size_t length) {
    size_t i = length;
    while (i && ((text[i - 1] >= '0' && text[i - 1] <= '9') || text[i - 1] == '.'))
        i--;
    bool version = i < length && i >= 3 && text[i - 1] == 'v' && text[i - 2] == '/' && text[i - 3] != '/';
    return version ? length - i + 2 : 0;
}

char *sph_glance_endpoint(const char *text, const char **why) {
    *why = bad_endpoint(text);
    if (*why)
        return NULL;
    char *endpoint = sph_strdup(text);
    if (!endpoint)
        return NULL;
    size_t length = strlen(endpoint);
    while (length && endpoint[length - 1] == '/')
        length--;
    length -= version_length(endpoint, length);
    while (length && endpoint[length - 1] == '/')
        length--;
    endpoint[length] = '\0';
    const char *host = strstr(endpoint, "://");
    if (host && host[3])
        return endpoint;
    sph_free(endpoint);
    *why = "it names no host";
    return NULL;
}

const char *sph_glance_bad_path(const char *path) {
    return path[0] == '/' ? sph_http_bad_url(path, strlen(path)) : "a path begins with '/'";
}

void sph_glance_url(char *url, size_t size, const char *endpoint, const char *path) {
    snprintf(url, size, "%s%s", endpoint, path);
}
