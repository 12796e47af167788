/* What the starter says itself: marks, and why it refuses a frame. */
#include "starter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { MARK_BYTES = 44, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

/* The command shares these streams, and may have made them non-blocking. */
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
            return; /* nobody reads it any more */
        }
    }
}

/* One write, so that a pipe keeps it in one piece, whoever else writes. */
void write_mark(int stream, char kind, unsigned number)
{
    char mark[MARK_BYTES + 1];
    snprintf(mark, sizeof mark, "%.*s %c %08u\n", NONCE_BYTES, nonce, kind, number);
    write_all(stream, mark, MARK_BYTES);
}

static int exit_status(char kind, unsigned number)
{
    if (kind == 'X' || kind == 'O')
        return number;
    if (kind == 'S')
        return 128 + number;
    if (kind == 'P' || (kind == 'N' && number == ENOENT))
        return NOT_FOUND;
    return kind == 'N' ? NOT_EXECUTABLE : NOT_STARTED;
}

_Noreturn void finish(char kind, unsigned number)
{
    write_mark(STDOUT_FILENO, kind, number);
    write_mark(STDERR_FILENO, kind, number);
    _exit(exit_status(kind, number));
}

_Noreturn void refuse(const char *why)
{
    char sentence[128];
    int length = snprintf(sentence, sizeof sentence, "funcsvc-starter: %s.\n", why);
    write_all(STDERR_FILENO, sentence, length);
    _exit(NOT_STARTED);
}
