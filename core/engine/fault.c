#include "engine/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES 64 /* different operations in one step */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum { OFF, TRACE, KILL, STOP } what;
static const char *wanted; /* the point, or the file */
static char step[64];
static struct {
    const char *operation;
    unsigned count;
} seen[NAMES];

static void read_environment(void) {
    static const char *const verbs[] = {"trace ", "kill ", "stop "};
    const char *text = getenv("SIPHON_FAULT");
    for (int i = 0; text && i < 3; i++)
        if (strncmp(text, verbs[i], strlen(verbs[i])) == 0) {
            what = TRACE + (unsigned)i;
            wanted = text + strlen(verbs[i]);
        }
}

static bool is_off(void) {
    pthread_once(&once, read_environment);
    return what == OFF;
}

static void act(const char *point) {
    if (what == TRACE) {
        FILE *file = fopen(wanted, "ae");
        if (!file)
            return;
        fprintf(file, "%s\n", point);
        fclose(file);
    } else if (strcmp(point, wanted) == 0) {
        kill(getpid(), what == KILL ? SIGKILL : SIGSTOP);
    }
}

/* How often the operation came up in this step, this time included. */
static unsigned count(const char *operation) {
    for (int i = 0; i < NAMES; i++) {
        if (!seen[i].operation)
            seen[i].operation = operation;
        if (strcmp(seen[i].operation, operation) == 0)
            return ++seen[i].count;
    }
    return 0;
}

void sph_fault_step(const char *name) {
    if (is_off())
        return;
    pthread_mutex_lock(&lock);
    snprintf(step, sizeof step, "%s", name);
    memset(seen, 0, sizeof seen);
    pthread_mutex_unlock(&lock);
}

void sph_fault_ended(const char *operation) {
    if (is_off())
        return;
    char point[160];
    pthread_mutex_lock(&lock);
    unsigned n = *step ? count(operation) : 0;
    if (n > 1)
        snprintf(point, sizeof point, "%s/%s#%u", step, operation, n);
    else
        snprintf(point, sizeof point, "%s/%s", step, operation);
    if (n)
        act(point);
    pthread_mutex_unlock(&lock);
}

void sph_fault_progress(const char *operation, uint64_t done, uint64_t total, int *told) {
    if (is_off() || *told || done < total - total / 2 || done == total)
        return;
    *told = 1;
    char point[160];
    pthread_mutex_lock(&lock);
    if (*step) {
        snprintf(point, sizeof point, "%s/%s/half", step, operation);
        act(point);
    }
    pthread_mutex_unlock(&lock);
}
