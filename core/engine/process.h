/* A child process, run to its end.
 *
 * Thread: sph_process_run blocks, on a worker. The strings belong to whoever made the operation. */
#ifndef SPH_PROCESS_H
#define SPH_PROCESS_H

#include "engine/op.h"

#include <stddef.h>

/* What it may print before the rest is thrown away. */
#define SPH_PROCESS_OUTPUT ((size_t)64 << 10)

typedef struct {
    char *bytes;
    size_t size;
} sph_process_output;

typedef struct {
    sph_op op;
    const char **arguments;   /* ended by NULL; the first is the program, looked for on PATH */
    const char **environment; /* ended by NULL */
    bool percentages;         /* read "(12.34/100%)", which qemu-img -p prints, as progress */
    sph_process_output output, errors;
    int code, signal; /* one of them says how it ended */
} sph_process_op;

/* It gets /dev/null to read from, no descriptor of ours, a process group of its own and default signals. Once
 * the operation is cancelled the group is sent SIGTERM, and SIGKILL two seconds later. */
void sph_process_run(sph_op *op);
void sph_process_release(sph_op *op);

#endif
