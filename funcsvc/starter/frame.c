/* The frame: read whole, then parsed. Nothing runs until all of it has been checked. */
#include "starter.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 4,
    INTEGER_BYTES = 4,
    MAX_FRAME_BYTES = 4 * 1024 * 1024,
    TERMINAL_FLAG = 1,
};

char nonce[NONCE_BYTES];

/* While no command is running, signals are for the starter itself. */
static void obey_signal(int signals)
{
    int number = take_signal(signals).number;
    if (number == SIGTERM || number == SIGINT)
        _exit(128 + number);
}

/* Returns the number of bytes read, which is less than `count` if the input ended. */
static size_t read_all(int signals, char *bytes, size_t count)
{
    size_t have = 0;
    while (have < count) {
        struct pollfd fds[] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        poll(fds, 2, -1);
        if (fds[0].revents)
            obey_signal(signals);
        if (!fds[1].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, bytes + have, count - have);
        if (got > 0)
            have += got;
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return have;
}

static uint32_t integer_at(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Returns the frame's length. Exits silently if the input ends before a frame: there is no call. */
static uint32_t read_head(int signals)
{
    char head[MAGIC_BYTES + INTEGER_BYTES];
    size_t have = read_all(signals, head, sizeof head);
    if (have == 0)
        _exit(NOT_STARTED);
    if (have < sizeof head)
        refuse("the frame is not whole");
    if (memcmp(head, "FSV1", MAGIC_BYTES) != 0)
        refuse("this is not a frame of version 1");
    uint32_t length = integer_at(head + MAGIC_BYTES);
    if (length > MAX_FRAME_BYTES)
        refuse("the frame is too long");
    return length;
}

/* Allocates memory only now, so that a waiting starter holds almost none. */
void read_frame(struct frame *frame, int signals)
{
    uint32_t length = read_head(signals);
    frame->start = mmap(NULL, length + ROOM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (frame->start == MAP_FAILED)
        refuse("there is no memory for the frame");
    frame->at = frame->start;
    frame->end = frame->start + length;
    if (read_all(signals, frame->start, length) < length)
        refuse("the frame is not whole");
}

void free_frame(struct frame *frame)
{
    munmap(frame->start, frame->end - frame->start + ROOM_BYTES);
}

static char *take_bytes(struct frame *frame, size_t count)
{
    if ((size_t)(frame->end - frame->at) < count)
        refuse("the frame is shorter than its parts");
    frame->at += count;
    return frame->at - count;
}

static uint32_t take_integer(struct frame *frame)
{
    return integer_at(take_bytes(frame, INTEGER_BYTES));
}

static char *take_string(struct frame *frame)
{
    uint32_t length = take_integer(frame);
    char *bytes = take_bytes(frame, length);
    if (memchr(bytes, '\0', length) != NULL)
        refuse("a string of the frame holds a NUL");
    /* Moved one byte to the left, over its length, which has been read, to make room for a NUL. */
    char *string = memmove(bytes - 1, bytes, length);
    string[length] = '\0';
    return string;
}

/* Returns how many strings follow, and an array with room for them, `more` others and a NULL. */
static uint32_t take_count(struct frame *frame, size_t more, char ***strings)
{
    uint32_t count = take_integer(frame);
    if (count > (size_t)(frame->end - frame->at) / INTEGER_BYTES)
        refuse("the frame is shorter than its parts");
    *strings = calloc(count + more + 1, sizeof **strings);
    if (*strings == NULL)
        refuse("there is no memory for the frame");
    return count;
}

static void take_nonce(struct frame *frame)
{
    memcpy(nonce, take_bytes(frame, NONCE_BYTES), NONCE_BYTES);
    for (int i = 0; i < NONCE_BYTES; i++)
        if (!isxdigit((unsigned char)nonce[i]))
            refuse("the nonce is not made of hex digits");
}

static void take_flags(struct frame *frame)
{
    uint32_t flags = take_integer(frame);
    if ((flags & ~TERMINAL_FLAG) != 0)
        refuse("the frame has unknown flags");
    frame->has_terminal = flags & TERMINAL_FLAG;
}

/* Returns the place of the variable with the same name, or the end of the environment. */
char **place_of(const char *variable, char **environment)
{
    size_t length = strchr(variable, '=') - variable + 1;
    while (*environment != NULL && strncmp(*environment, variable, length) != 0)
        environment++;
    return environment;
}

static void take_environment(struct frame *frame)
{
    size_t own = 0;
    while (environ[own] != NULL)
        own++;
    uint32_t count = take_count(frame, own, &frame->environment);
    memcpy(frame->environment, environ, own * sizeof *environ);
    for (uint32_t i = 0; i < count; i++) {
        char *variable = take_string(frame);
        if (strchr(variable, '=') == NULL || *variable == '=')
            refuse("a variable of the frame has no name");
        *place_of(variable, frame->environment) = variable;
    }
}

static void take_words(struct frame *frame)
{
    uint32_t count = take_count(frame, 0, &frame->words);
    if (count == 0)
        refuse("the frame has no words");
    for (uint32_t i = 0; i < count; i++)
        frame->words[i] = take_string(frame);
}

void parse_frame(struct frame *frame)
{
    take_nonce(frame);
    take_flags(frame);
    take_environment(frame);
    take_words(frame);
    frame->payload_bytes = take_integer(frame);
    frame->payload = take_bytes(frame, frame->payload_bytes);
    if (frame->at != frame->end)
        refuse("the frame is longer than its parts");
}
