/* Text that grows, and JSON in it.
 *
 * Thread: any. A lack of memory is remembered, and ends in sph_text_take. */
#ifndef SPH_TEXT_H
#define SPH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *bytes;
    size_t length, capacity;
    bool failed;
} sph_text;

void sph_text_add(sph_text *text, const char *string);
/* A string of JSON. Bytes that are not UTF-8 become U+FFFD. */
void sph_text_add_json(sph_text *text, const char *string);
/* The text, for sph_free, or NULL when memory ran out. */
char *sph_text_take(sph_text *text);

#endif
