#include "http/response.h"

#include "engine/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void sph_http_clear(sph_http_response *r) {
    while (r->fields) {
        sph_http_field *field = r->fields;
        r->fields = field->next;
        explicit_bzero(field, field->size); /* it may have brought a token */
        sph_free(field);
    }
    sph_free(r->body);
    *r = (sph_http_response){.sent = r->sent, .received = r->received};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int add_field(sph_http_response *r, const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    if (!colon)
        return 0;
    size_t name_length = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t value_length = length - name_length - 1;
    for (; value_length && is_blank(*value); value++)
        value_length--;
    while (value_length && is_blank(value[value_length - 1]))
        value_length--;
    size_t size = sizeof(sph_http_field) + name_length + 1 + value_length + 1;
    sph_http_field *field = sph_alloc(size);
    if (!field)
        return -ENOMEM;
    field->size = size;
    for (size_t i = 0; i < name_length; i++)
        field->name[i] = (char)(line[i] >= 'A' && line[i] <= 'Z' ? line[i] - 'A' + 'a' : line[i]);
    field->value = field->name + name_length + 1;
    memcpy(field->value, value, value_length);
    if (r->last_field)
        r->last_field->next = field;
    else
        r->fields = field;
    r->last_field = field;
    return 0;
}

/* "HTTP/1.1 200 OK" */
static int status_of(const char *line, size_t length) {
    const char *end = line + length, *c = memchr(line, ' ', length);
    int status = 0;
    for (c = c ? c + 1 : end; c < end && *c >= '0' && *c <= '9' && status < 100; c++)
        status = 10 * status + (*c - '0');
    return status;
}

int sph_http_take_line(sph_http_response *r, const char *line, size_t length) {
    if (r->head == SPH_HEAD_AWAITED) {
        sph_http_clear(r); /* an interim answer may have gone before */
        r->status = status_of(line, length);
        r->head = SPH_HEAD_OPEN;
        return 0;
    }
    r->head_size += length;
    if (r->head_size > SPH_HTTP_MAX_HEAD)
        return -EMSGSIZE;
    if (r->head == SPH_HEAD_DONE)
        return 0;
    if (length <= 2 && is_blank(*line)) {
        r->head = r->status >= 200 ? SPH_HEAD_DONE : SPH_HEAD_AWAITED;
        return 0;
    }
    return add_field(r, line, length);
}

int sph_http_take_body(sph_http_response *r, const char *data, size_t length, uint64_t max) {
    if (length > max || r->body_length > max - length)
        return -EMSGSIZE;
    size_t needed = r->body_length + length;
    if (needed > r->body_capacity) {
        size_t capacity = r->body_capacity ? 2 * r->body_capacity : 4096;
        if (capacity < needed)
            capacity = needed;
        char *body = sph_realloc(r->body, capacity);
        if (!body)
            return -ENOMEM;
        r->body = body;
        r->body_capacity = capacity;
    }
    memcpy(r->body + r->body_length, data, length);
    r->body_length = needed;
    return 0;
}

const char *sph_http_field_of(const sph_http_response *r, const char *name) {
    for (const sph_http_field *field = r->fields; field; field = field->next)
        if (strcmp(field->name, name) == 0)
            return field->value;
    return NULL;
}
