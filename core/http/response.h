/* What came back: status, headers, and the body as far as it is kept in memory. All of it is bounded,
 * whatever the server sends.
 *
 * Thread: the loop thread. */
#ifndef SPH_HTTP_RESPONSE_H
#define SPH_HTTP_RESPONSE_H

#include <stddef.h>
#include <stdint.h>

#define SPH_HTTP_MAX_HEAD ((size_t)256 << 10)

typedef struct sph_http_field {
    struct sph_http_field *next;
    char *value; /* behind the name, in one block */
    size_t size;
    char name[]; /* in lower case */
} sph_http_field;

/* Trailers look like headers and come after the head is done; an interim answer (100) has its own head. */
typedef enum { SPH_HEAD_AWAITED, SPH_HEAD_OPEN, SPH_HEAD_DONE } sph_http_head;

typedef struct sph_http_response {
    int status;
    sph_http_head head;
    size_t head_size;
    sph_http_field *fields, *last_field; /* in the order in which they came */
    char *body;
    size_t body_length, body_capacity;
    uint64_t sent, received; /* bytes of the bodies */
} sph_http_response;

/* One line of the head, with its line end. 0, -ENOMEM, or -EMSGSIZE. */
int sph_http_take_line(sph_http_response *response, const char *line, size_t length);
/* 0, -ENOMEM, or -EMSGSIZE when the body becomes larger than max. */
int sph_http_take_body(sph_http_response *response, const char *data, size_t length, uint64_t max);
/* The first of that name, or NULL. */
const char *sph_http_field_of(const sph_http_response *response, const char *name);
/* Forgets everything but the counts, for the next hop or for good. */
void sph_http_clear(sph_http_response *response);

#endif
