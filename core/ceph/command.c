/* Commands to the monitors and the manager. Worker threads run what is here. */
#include "ceph/command.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int command_call(rados_t, const char **, size_t, const char *, size_t, char **, size_t *, char **,
                         size_t *);

/* What the daemon said, as one line without the line feed that most end with. */
static void copy_status(char *text, size_t size, const char *status, size_t length) {
    while (length && (status[length - 1] == '\n' || status[length - 1] == ' '))
        length--;
    snprintf(text, size, "%.*s", (int)(length < size ? length : size - 1), status ? status : "");
}

static void run(sph_op *op, command_call *call, const char *daemon) {
    sph_command_op *self = (sph_command_op *)op;
    char *status = NULL;
    size_t status_size = 0;
    int rc = call(self->cluster->rados, &self->command, 1, self->input, self->input_size, &self->output,
                  &self->output_size, &status, &status_size);
    if (rc < 0) {
        char text[300];
        copy_status(text, sizeof text, status, status_size);
        const sph_place place = {.cluster = self->cluster};
        /* The daemon's own words are better than the errno's, which seldom means here what it usually does.
         */
        if (*text && rc != -ETIMEDOUT)
            sph_ceph_fail(op, sph_errno_code(rc, (char[16]){0}), -rc, &place, "the %s answers: %s", daemon,
                          text);
        else
            sph_ceph_check(op, rc, &place, NULL, "the %s did not take the command", daemon);
    }
    rados_buffer_free(status);
}

void sph_command_mon(sph_op *op) {
    run(op, rados_mon_command, "monitor");
}

/* librados never forgets a command to the manager that timed out, and has a late answer to it written into the stack
 * of a call that is over (16.2: RadosClient::mgr_command, MgrClient). So each has a connection of its own, which is
 * closed with it. */
static int ask_manager(rados_t rados, const char **command, size_t count, const char *input,
                       size_t input_size, char **output, size_t *output_size, char **status,
                       size_t *status_size) {
    rados_t own;
    int rc = rados_create_with_context(&own, rados_cct(rados));
    if (rc < 0)
        return rc;
    rc = rados_connect(own);
    if (rc >= 0)
        rc = rados_mgr_command(own, command, count, input, input_size, output, output_size, status,
                               status_size);
    rados_shutdown(own);
    return rc;
}

void sph_command_mgr(sph_op *op) {
    run(op, ask_manager, "manager");
}

void sph_command_release(sph_op *op) {
    rados_buffer_free(((sph_command_op *)op)->output);
}

int sph_command_ask(sph_cluster *cluster, const char *command, char **output, char *status,
                    size_t status_size) {
    char *words = NULL, *raw = NULL;
    size_t words_size = 0, raw_size = 0;
    int rc = rados_mon_command(cluster->rados, &command, 1, "", 0, &raw, &raw_size, &words, &words_size);
    copy_status(status, status_size, words, words_size);
    rados_buffer_free(words);
    *output = NULL;
    if (rc >= 0) {
        *output = sph_alloc(raw_size + 1);
        if (*output)
            memcpy(*output, raw, raw_size);
        else
            rc = -ENOMEM;
    }
    rados_buffer_free(raw);
    return rc;
}

bool sph_command_quote(char *buffer, size_t size, const char *text) {
    size_t n = 0;
    char escaped[8];
    if (size < 3)
        return false;
    buffer[n++] = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        size_t length = strlen(escaped);
        if (n + length + 2 > size)
            return false;
        memcpy(buffer + n, escaped, length);
        n += length;
    }
    buffer[n++] = '"';
    buffer[n] = '\0';
    return true;
}

bool sph_reply_integer(const char *json, const char *key, int64_t *value) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(json, pattern);
    if (!at)
        return false;
    at += strlen(pattern);
    char *end;
    errno = 0;
    long long number = strtoll(at, &end, 10);
    if (end == at || errno)
        return false;
    *value = number;
    return true;
}
