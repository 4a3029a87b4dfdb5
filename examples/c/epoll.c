/* Several copies at once inside of a loop that the program has anyhow: here it also reads commands from its standard
 * input, one copy a line, and cancels them all on Ctrl-C.
 *
 *   cc epoll.c $(pkg-config --cflags --libs siphon) -o epoll
 *   ./epoll <<< '{"source": "volumes/vm1", "target": "glance:golden", "pool": "images"}' */
#include <siphon.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MOST 64

typedef struct {
    siphon_engine *engine;
    siphon_call *calls[MOST];
    int count, running, failed;
} program;

static void on_end(siphon_call *call, void *user) {
    program *p = user;
    p->running--;
    if (siphon_call_state(call) == SIPHON_DONE) {
        printf("%s\n", siphon_call_result(call));
    } else {
        p->failed++;
        char *json = siphon_error_json(siphon_call_error(call));
        printf("%s\n", json ? json : "{}");
        siphon_string_free(json);
    }
    fflush(stdout);
}

static void start(program *p, const char *line) {
    siphon_error *error;
    if (p->count == MOST) {
        fprintf(stderr, "epoll: only %d copies\n", MOST);
        p->failed++;
    } else if (siphon_call_start(&p->calls[p->count], p->engine, "copy", line, NULL, &error) < 0) {
        fprintf(stderr, "epoll: %s\n", siphon_error_message(error));
        siphon_error_free(error);
        p->failed++;
    } else {
        p->count++;
        p->running++;
    }
}

/* Reads what there is; whether there may be more. */
static int read_commands(program *p) {
    static char text[1 << 16];
    static size_t size;
    ssize_t n = read(STDIN_FILENO, text + size, sizeof text - size - 1);
    if (n <= 0)
        return 0;
    size += (size_t)n;
    text[size] = '\0';
    char *line = text, *end;
    for (; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        start(p, line);
    }
    size -= (size_t)(line - text);
    memmove(text, line, size + 1);
    return 1;
}

static void watch(int epoll, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        perror("epoll: cannot watch"); /* a plain file, for one: give it as a pipe */
        exit(EXIT_FAILURE);
    }
}

int main(void) {
    program p = {.count = 0};
    siphon_options options = SIPHON_OPTIONS_INIT;
    siphon_error *error;
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, NULL);
    options.on_end = on_end;
    options.user = &p;
    if (siphon_engine_new(&p.engine, &options, &error) < 0) {
        fprintf(stderr, "epoll: %s\n", siphon_error_message(error));
        siphon_error_free(error);
        return EXIT_FAILURE;
    }

    int epoll = epoll_create1(EPOLL_CLOEXEC), signals = signalfd(-1, &interrupt, SFD_CLOEXEC | SFD_NONBLOCK);
    watch(epoll, siphon_fd(p.engine));
    watch(epoll, signals);
    watch(epoll, STDIN_FILENO);
    for (int reading = 1; reading || p.running;) {
        struct epoll_event ready[4];
        int n = epoll_wait(epoll, ready, 4, siphon_timeout_ms(p.engine));
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == STDIN_FILENO && !read_commands(&p)) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
                reading = 0;
            } else if (ready[i].data.fd == signals) {
                struct signalfd_siginfo info;
                while (read(signals, &info, sizeof info) > 0)
                    for (int c = 0; c < p.count; c++)
                        siphon_cancel(p.calls[c]);
            }
        }
        siphon_step(p.engine, 0); /* also when only a time was due */
    }
    siphon_engine_free(p.engine);
    close(signals);
    close(epoll);
    return p.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
