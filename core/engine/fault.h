/* Faults on demand: the process stops itself, or dies, at a point of a job that is named beforehand. For the specs of
 * what a crash leaves behind; nothing of it happens unless the environment asks:
 *
 *   SIPHON_FAULT="trace FILE"   appends the name of each point to the file, one a line
 *   SIPHON_FAULT="kill POINT"   SIGKILL at that point
 *   SIPHON_FAULT="stop POINT"   SIGSTOP there
 *
 * A point is STEP/OPERATION: the end of an operation that has a lasting effect, before anybody knows of it, and
 * STEP/OPERATION/half, the first report of progress from the middle on. The second of its name in a step is called
 * STEP/OPERATION#2, and so on. So a step has points from the moment that its record is written to the moment that its
 * end is, and a new step has them without being told.
 *
 * Thread: any. */
#ifndef SPH_FAULT_H
#define SPH_FAULT_H

#include <stdint.h>

/* The points that follow belong to this step. */
void sph_fault_step(const char *step);
/* An operation of that name has ended. */
void sph_fault_ended(const char *operation);
/* An operation has come so far; `told` is its own, and 0 before the first call. */
void sph_fault_progress(const char *operation, uint64_t done, uint64_t total, int *told);

#endif
