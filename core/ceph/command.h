/* Commands to the monitors and the manager, and what their JSON answers hold.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_COMMAND_H
#define SPH_CEPH_COMMAND_H

#include "ceph/cluster.h"

typedef struct {
    sph_op op;
    sph_cluster *cluster;
    const char *command; /* JSON: {"prefix": "osd pool ls", ...} */
    const char *input;
    size_t input_size;
    char *output; /* librados' memory */
    size_t output_size;
} sph_command_op;

void sph_command_mon(sph_op *op);
void sph_command_mgr(sph_op *op);
void sph_command_release(sph_op *op);

/* One monitor command within another operation. *output is NUL-terminated, for sph_free, and NULL unless the
 * call succeeded. On failure `status` has what the monitor said, and op is left alone. */
int sph_command_ask(sph_cluster *cluster, const char *command, char **output, char *status,
                    size_t status_size);

/* Writes text as a JSON string, quotes included, NUL-terminated. False when it does not fit. */
bool sph_command_quote(char *buffer, size_t size, const char *text);

/* The first integer that follows `"key":` in flat JSON. */
bool sph_reply_integer(const char *json, const char *key, int64_t *value);

#endif
