/* siphon_error: the core's error object, as a C program sees it. */
#include "lib/internal.h"

#include <stdio.h>
#include <string.h>

void sph_lib_give(siphon_error **out, sph_error *error) {
    if (out)
        *out = (siphon_error *)error;
    else
        sph_error_free(error);
}

static const sph_error *of(const siphon_error *error) {
    return (const sph_error *)error;
}

void siphon_error_free(siphon_error *error) {
    sph_error_free((sph_error *)error);
}

const char *siphon_error_code(const siphon_error *error) {
    return of(error)->code;
}

const char *siphon_error_op(const siphon_error *error) {
    return of(error)->op;
}

const char *siphon_error_message(const siphon_error *error) {
    return of(error)->message;
}

int siphon_error_errno(const siphon_error *error) {
    return of(error)->errnum;
}

int siphon_error_retryable(const siphon_error *error) {
    return of(error)->retryable;
}

const char *siphon_error_where(const siphon_error *error, const char *key) {
    for (int i = 0; i < SPH_WHERE_COUNT; i++)
        if (strcmp(sph_where_name((sph_where)i), key) == 0)
            return of(error)->where[i];
    return NULL;
}

int siphon_error_http_status(const siphon_error *error) {
    return of(error)->http_status;
}

const char *siphon_error_request_id(const siphon_error *error) {
    return of(error)->request_id;
}

const siphon_error *siphon_error_cause(const siphon_error *error) {
    return (const siphon_error *)of(error)->cause;
}

/* --- as JSON -------------------------------------------------------------------------------------------- */

static void add_string(sph_text *text, const char *before, const char *value) {
    sph_text_add(text, before);
    sph_text_add_json(text, value);
}

static void add_number(sph_text *text, const char *before, int value) {
    char number[16];
    snprintf(number, sizeof number, "%d", value);
    sph_text_add(text, before);
    sph_text_add(text, number);
}

/* The object but for its end, since the causes go into it. */
static void begin(sph_text *text, const sph_error *e) {
    add_string(text, "{\"code\":", e->code);
    if (*e->op)
        add_string(text, ",\"op\":", e->op);
    add_string(text, ",\"message\":", e->message);
    if (e->errnum)
        add_number(text, ",\"errno\":", e->errnum);
    sph_text_add(text, e->retryable ? ",\"retryable\":true" : ",\"retryable\":false");
    const char *before = ",\"where\":{";
    for (int i = 0; i < SPH_WHERE_COUNT; i++)
        if (e->where[i]) {
            add_string(text, before, sph_where_name((sph_where)i));
            add_string(text, ":", e->where[i]);
            before = ",";
        }
    if (before[1] == '\0')
        sph_text_add(text, "}");
    if (e->http_status) {
        add_number(text, ",\"http\":{\"status\":", e->http_status);
        if (*e->request_id)
            add_string(text, ",\"request_id\":", e->request_id);
        sph_text_add(text, "}");
    }
}

char *siphon_error_json(const siphon_error *error) {
    sph_text text = {0};
    for (const sph_error *e = of(error); e; e = e->cause) {
        begin(&text, e);
        if (e->cause)
            sph_text_add(&text, ",\"cause\":");
    }
    for (const sph_error *e = of(error); e; e = e->cause)
        sph_text_add(&text, "}");
    return sph_text_take(&text);
}

void siphon_string_free(char *string) {
    sph_free(string);
}
