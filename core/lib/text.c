#include "lib/text.h"

#include "engine/memory.h"

#include <stdio.h>
#include <string.h>

static void add(sph_text *text, const char *bytes, size_t length) {
    if (text->failed)
        return;
    if (text->length + length + 1 > text->capacity) {
        size_t capacity = 2 * (text->length + length + 1);
        char *more = sph_realloc(text->bytes, capacity);
        if (!more) {
            text->failed = true;
            return;
        }
        text->bytes = more;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void sph_text_add(sph_text *text, const char *string) {
    add(text, string, strlen(string));
}

/* The length of the character at s, or 0 when it is none. */
static size_t character(const unsigned char *s) {
    static const struct {
        unsigned char mask, lead;
        unsigned least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 0; n < sizeof forms / sizeof *forms; n++) {
        if ((*s & forms[n].mask) != forms[n].lead)
            continue;
        unsigned code = *s & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[i] & 0x3fU);
        }
        bool surrogate = code >= 0xd800 && code < 0xe000;
        return code < forms[n].least || code > 0x10ffff || surrogate ? 0 : n + 1;
    }
    return 0;
}

void sph_text_add_json(sph_text *text, const char *string) {
    sph_text_add(text, "\"");
    for (const unsigned char *s = (const unsigned char *)string; *s;) {
        size_t length = character(s);
        if (length == 0) {
            sph_text_add(text, "\xef\xbf\xbd");
            s++;
            continue;
        }
        char escape[8];
        if (*s == '"' || *s == '\\') {
            snprintf(escape, sizeof escape, "\\%c", *s);
            sph_text_add(text, escape);
        } else if (*s < 0x20 || *s == 0x7f) {
            snprintf(escape, sizeof escape, "\\u%04x", *s);
            sph_text_add(text, escape);
        } else {
            add(text, (const char *)s, length);
        }
        s += length;
    }
    sph_text_add(text, "\"");
}

char *sph_text_take(sph_text *text) {
    if (text->failed)
        sph_free(text->bytes);
    return text->failed ? NULL : text->bytes;
}
