/* What the tests of libsiphon share. CHECK counts, and goes on; the first failures are printed. */
#ifndef CHECK_H
#define CHECK_H

#include "siphon.h"

#include <stdbool.h>

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
#define CHECK_TEXT(expected, actual) check_text((expected), (actual), __FILE__, __LINE__)

bool check(bool ok, const char *what, const char *file, int line);
bool check_text(const char *expected, const char *actual, const char *file, int line);
/* How many failed, of how many. */
int check_failed(void);
int check_count(void);

/* Where memory may run out, a test gives up where it cannot go on, and nothing but leaks and crashes count. */
extern bool memory_may_fail;
#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            if (!memory_may_fail)                                                                            \
                CHECK(condition);                                                                            \
            goto out;                                                                                        \
        }                                                                                                    \
    } while (0)

/* What an engine told: the events one after another, each with a line's end. */
typedef struct {
    char events[4096];
    int ended;
    siphon_call *last;
} witness;

/* An engine whose events and ends go to w. NULL when memory is out. */
siphon_engine *new_engine(witness *w);

void test_errors(void);
void test_calls(void);
void test_loop(void);
void test_threads(void);
void test_options(void);
/* Of all of the above what the sweep of failing allocations repeats. */
void test_memory(void);

#endif
