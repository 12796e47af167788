/* The starter's own output: marks, and the reason for refusing a frame. */
#include "starter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { MARK_BYTES = 44, NOT_EXECUTABLE = 126, NOT_FOUND = 127, LET_GO_MS = 1000 };

/* The command shares these streams and can have made them non-blocking. */
void write_all(int stream, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(stream, bytes, count);
        if (written >= 0) {
            bytes += written;
            count -= written;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){stream, POLLOUT, 0}, 1, -1);
        } else if (errno != EINTR) {
            return; /* it is no longer read */
        }
    }
}

/* Writes it at once, so that other writers to the same pipe can't split it. */
void write_mark(int stream, enum mark kind, unsigned number)
{
    char mark[MARK_BYTES + 1];
    snprintf(mark, sizeof mark, "%.*s %c %08u\n", NONCE_BYTES, nonce, kind, number);
    write_all(stream, mark, MARK_BYTES);
}

static int exit_status(enum mark kind, unsigned number)
{
    if (kind == MARK_EXITED || kind == MARK_OUT_OF_MEMORY)
        return number;
    if (kind == MARK_KILLED || kind == MARK_ENDED_FROM_OUTSIDE)
        return 128 + number;
    if (kind == MARK_NOT_FOUND || (kind == MARK_NOT_EXECUTABLE && number == ENOENT))
        return NOT_FOUND;
    return kind == MARK_NOT_EXECUTABLE ? NOT_EXECUTABLE : NOT_STARTED;
}

/* Taking a container down costs the engine about 100 ms of work. This delays that until the worker has
 * reported the result and detached, or until LET_GO_MS have passed. */
static void wait_to_be_let_go(void)
{
    poll(&(struct pollfd){STDIN_FILENO, POLLIN, 0}, 1, LET_GO_MS);
}

static void write_final_mark(enum mark kind, unsigned number)
{
    write_mark(STDOUT_FILENO, kind, number);
    write_mark(STDERR_FILENO, kind, number);
}

_Noreturn void finish(enum mark kind, unsigned number)
{
    write_final_mark(kind, number);
    wait_to_be_let_go();
    _exit(exit_status(kind, number));
}

/* Exits at once: the command is still running, and the kernel kills it with the first process. */
_Noreturn void finish_from_outside(unsigned signal)
{
    write_final_mark(MARK_ENDED_FROM_OUTSIDE, signal);
    _exit(exit_status(MARK_ENDED_FROM_OUTSIDE, signal));
}

_Noreturn void refuse(const char *why)
{
    char sentence[128];
    int length = snprintf(sentence, sizeof sentence, "funcsvc-starter: %s.\n", why);
    write_all(STDERR_FILENO, sentence, length);
    _exit(NOT_STARTED);
}
