/* A child process: spawned, listened to, and waited for by its pidfd. */
#include "engine/process.h"

#include "engine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 2.0 /* seconds between SIGTERM and SIGKILL */
#define LOOK_MS 100  /* how often it looks whether it is cancelled */

typedef struct {
    int output[2], errors[2], pidfd;
    pid_t pid;
} child;

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* What posix_spawn is told: 0, or a positive errno. */
static int prepare(const child *c, posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(files, c->output[1], STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(files, c->errors[1], STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes,
                                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn(const sph_process_op *self, child *c) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&files);
    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = prepare(c, &files, &attributes);
        if (rc == 0)
            rc = posix_spawnp(&c->pid, self->arguments[0], &files, &attributes, (char **)self->arguments,
                              (char **)self->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Each "(12.34/100%)" in what was printed just now. */
static void tell_progress(sph_process_op *self, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '(')
            continue;
        char number[16] = "";
        size_t length = size - i - 1;
        memcpy(number, text + i + 1, length < sizeof number ? length : sizeof number - 1);
        char *end;
        double percent = strtod(number, &end);
        if (end == number || *end != '/' || !(percent >= 0 && percent <= 100))
            continue;
        sph_op_progress(&self->op, (uint64_t)(percent * 100), 10000);
    }
}

static void keep(sph_process_output *output, const char *bytes, size_t size) {
    size_t room = SPH_PROCESS_OUTPUT - output->size;
    if (size > room)
        size = room;
    if (!output->bytes)
        output->bytes = sph_alloc(SPH_PROCESS_OUTPUT);
    if (!output->bytes)
        return;
    memcpy(output->bytes + output->size, bytes, size);
    output->size += size;
}

/* Reads what there is; closes the pipe at its end. */
static void drain(sph_process_op *self, int *fd, sph_process_output *output) {
    char bytes[4096];
    ssize_t n;
    while ((n = read(*fd, bytes, sizeof bytes)) > 0) {
        if (self->percentages && output == &self->output)
            tell_progress(self, bytes, (size_t)n);
        else
            keep(output, bytes, (size_t)n);
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(fd);
}

/* Until the child is dead, whoever else may still hold its pipes; whether it was asked to end. */
static bool attend(sph_process_op *self, child *c) {
    double asked = 0;
    bool dead = false;
    while (!dead) {
        struct pollfd fds[] = {{.fd = c->output[0], .events = POLLIN},
                               {.fd = c->errors[0], .events = POLLIN},
                               {.fd = c->pidfd, .events = POLLIN}};
        poll(fds, 3, LOOK_MS);
        dead = fds[2].revents != 0;
        if (c->output[0] >= 0 && (fds[0].revents || dead))
            drain(self, &c->output[0], &self->output);
        if (c->errors[0] >= 0 && (fds[1].revents || dead))
            drain(self, &c->errors[0], &self->errors);
        if (!dead && sph_op_is_cancelled(&self->op)) {
            if (asked == 0) {
                asked = sph_now();
                kill(-c->pid, SIGTERM);
            } else if (sph_now() - asked > PATIENCE) {
                kill(-c->pid, SIGKILL);
            }
        }
    }
    return asked > 0;
}

static void reap(sph_process_op *self, const child *c, bool asked) {
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 && errno == EINTR)
        continue;
    if (info.si_code == CLD_EXITED)
        self->code = info.si_status;
    else
        self->signal = info.si_status;
    if (asked && (self->signal || self->code))
        sph_op_fail(&self->op,
                    sph_error_errno(ECANCELED, self->op.type->name, "%s was stopped", self->arguments[0]));
}

void sph_process_run(sph_op *op) {
    sph_process_op *self = (sph_process_op *)op;
    child c = {.output = {-1, -1}, .errors = {-1, -1}, .pidfd = -1};
    int error = 0;
    if (pipe2(c.output, O_CLOEXEC) < 0 || pipe2(c.errors, O_CLOEXEC) < 0)
        error = errno;
    if (!error)
        error = spawn(self, &c);
    close_fd(&c.output[1]);
    close_fd(&c.errors[1]);
    if (!error) {
        /* Nobody else waits for the child, so its pid stays its own until it is reaped here. */
        bool asked = false;
        c.pidfd = pidfd_open(c.pid, 0);
        if (c.pidfd < 0) {
            error = errno;
            kill(-c.pid, SIGKILL);
        } else {
            fcntl(c.output[0], F_SETFL, O_NONBLOCK);
            fcntl(c.errors[0], F_SETFL, O_NONBLOCK);
            asked = attend(self, &c);
        }
        reap(self, &c, asked);
    }
    close_fd(&c.output[0]);
    close_fd(&c.errors[0]);
    close_fd(&c.pidfd);
    if (error)
        sph_op_fail(op, sph_error_errno(error, op->type->name, "cannot run %s", self->arguments[0]));
}

void sph_process_release(sph_op *op) {
    sph_process_op *self = (sph_process_op *)op;
    sph_free(self->output.bytes);
    sph_free(self->errors.bytes);
}
