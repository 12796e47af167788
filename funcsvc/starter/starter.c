/*
 * The first process of every container. It waits for one frame on its standard input, runs the
 * command that the frame names, and marks on its output streams where the call begins and ends.
 * docs/starter.md gives the reasons; funcsvc/engine/containers/protocol.py is the other side.
 *
 *   frame   "FSV1" | length | nonce | flags | count | variables | count | words | length | payload
 *             4        4    |   32      4       4                   4               4            |
 *                           '------------------ `length` bytes, at most 4 MiB -------------------'
 *
 * Integers are unsigned, 32 bits, big-endian. A variable, "NAME=value", and a word each consist of a
 * length and that many bytes, none of which is NUL. The nonce is hex digits. Bit 0 of the flags asks
 * for a terminal; the other bits are 0. Any other frame, or one that isn't whole, runs nothing.
 *
 *   mark    nonce | " " | kind | " " | 8 decimal digits | "\n"
 *
 *   B 0        the frame is whole and the command is started next; only on standard output
 *   X status   the command exited
 *   S signal   a signal killed the command
 *   O status   the command failed, and the kernel killed a process for lack of memory meanwhile
 *   P 0        the command was not found in $PATH
 *   N errno    the command could not be executed
 *   F errno    the starter failed
 *   E signal   something outside the container told it to end while the command was running
 */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    COPY_BYTES = 4096,       /* a pipe with POLLOUT takes this much without blocking */
    DRAIN_BYTES = 64 * 1024, /* more than the kernel buffers of a terminal's output */
    LOOK_AGAIN_MS = 100,
    END_OF_FILE = 'D' & 31, /* control-D */
};

struct call {
    struct frame *frame;
    int signals;
    int input;  /* where the payload is written; -1 once all of it is */
    int master; /* the starter's side of the terminal, or -1 */
    bool is_terminal_closed;
    char output[COPY_BYTES]; /* from the terminal, not yet on standard output */
    size_t output_bytes;
    pid_t command;
    bool has_ended;
    int status;
};

/* The payload is written to [1]; [0] becomes the command's standard input. */
static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
        finish(MARK_STARTER_FAILED, errno);
}

/* Opens the terminal by its path, since not every runtime supports TIOCGPTPEER. */
static void open_terminal(int ends[2])
{
    static const struct winsize size = {.ws_row = 24, .ws_col = 80};
    char path[64];
    ends[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (ends[1] < 0 || unlockpt(ends[1]) != 0 || ptsname_r(ends[1], path, sizeof path) != 0)
        finish(MARK_STARTER_FAILED, errno);
    ends[0] = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] < 0 || ioctl(ends[1], TIOCSWINSZ, &size) != 0)
        finish(MARK_STARTER_FAILED, errno);
}

/* Control-D ends the input at the start of a line; elsewhere the first one only sends the line. */
static void type_end_of_file(struct frame *frame)
{
    char last = frame->payload_bytes > 0 ? frame->payload[frame->payload_bytes - 1] : '\n';
    if (last != '\n' && last != '\r' && last != END_OF_FILE)
        frame->payload[frame->payload_bytes++] = END_OF_FILE;
    frame->payload[frame->payload_bytes++] = END_OF_FILE;
}

static void start(struct call *call, const char *path)
{
    int ends[2];
    if (call->frame->has_terminal) {
        open_terminal(ends);
        type_end_of_file(call->frame);
        call->master = ends[1];
    } else {
        open_pipe(ends);
    }
    call->input = ends[1];
    call->command = start_command(call->frame, path, ends[0]);
}

static void end_input(struct call *call)
{
    if (call->input != call->master)
        close(call->input);
    call->input = -1;
    free_frame(call->frame);
}

static void write_payload(struct call *call)
{
    struct frame *frame = call->frame;
    ssize_t written = write(call->input, frame->payload, frame->payload_bytes);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (written < 0)
        written = frame->payload_bytes; /* the command no longer reads it */
    frame->payload += written;
    frame->payload_bytes -= written;
    if (frame->payload_bytes == 0)
        end_input(call);
}

/* Reading a terminal that no process has open fails at once, but a process can open it again. */
static void read_output(struct call *call)
{
    ssize_t got = read(call->master, call->output, sizeof call->output);
    call->is_terminal_closed = got < 0 && errno != EAGAIN && errno != EINTR;
    call->output_bytes = got > 0 ? got : 0;
}

static void write_output(struct call *call)
{
    write_all(STDOUT_FILENO, call->output, call->output_bytes);
    call->output_bytes = 0;
}

/* Copies what the terminal still holds, without waiting for processes that go on writing to it. */
static void drain_terminal(struct call *call)
{
    size_t drained = 0;
    do {
        drained += call->output_bytes;
        write_output(call);
        if (poll(&(struct pollfd){call->master, POLLIN, 0}, 1, 0) > 0)
            read_output(call);
    } while (call->output_bytes > 0 && drained < DRAIN_BYTES);
}

/* The first process of a container must reap all orphans in it. */
static void reap(struct call *call)
{
    int status;
    pid_t ended;
    while (!call->has_ended && (ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended == call->command) {
            call->has_ended = true;
            call->status = status;
        }
    }
}

/* Whoever stops a container signals its first process. A function that got to know of it could end as
 * if it had done its work. */
static void end_if_told_from_outside(struct taken signal)
{
    bool is_end = signal.number != SIGCHLD && signal.number != SIGCONT && signal.number != SIGWINCH;
    if (signal.is_from_outside && is_end)
        finish_from_outside(signal.number);
}

static void handle_signal(struct call *call)
{
    struct taken signal = take_signal(call->signals);
    end_if_told_from_outside(signal);
    if (signal.number == SIGCHLD)
        reap(call);
    else if (signal.number != 0 && !signal.is_from_outside)
        kill(call->command, signal.number);
}

/* Waits until something can be done, and does it. */
static void go_on(struct call *call)
{
    bool has_output = call->output_bytes > 0;
    struct pollfd fds[] = {
        {call->signals, POLLIN, 0},
        {call->input, POLLOUT, 0},
        {has_output || call->is_terminal_closed ? -1 : call->master, POLLIN, 0},
        {has_output ? STDOUT_FILENO : -1, POLLOUT, 0},
    };
    if (poll(fds, sizeof fds / sizeof *fds, call->is_terminal_closed ? LOOK_AGAIN_MS : -1) < 0)
        return;
    call->is_terminal_closed = false;
    if (fds[0].revents)
        handle_signal(call);
    if (fds[1].revents)
        write_payload(call);
    if (fds[2].revents)
        read_output(call);
    if (fds[3].revents)
        write_output(call);
}

static _Noreturn void finish_ended(int status, bool has_oom_struck)
{
    bool was_killed = WIFSIGNALED(status);
    unsigned number = was_killed ? WTERMSIG(status) : WEXITSTATUS(status);
    if (status != 0 && has_oom_struck)
        finish(MARK_OUT_OF_MEMORY, was_killed ? 128 + number : number);
    finish(was_killed ? MARK_KILLED : MARK_EXITED, number);
}

static _Noreturn void run(struct frame *frame, int signals)
{
    struct call call = {.frame = frame, .signals = signals, .master = -1};
    const char *path = find_command(frame->words[0], frame->environment);
    if (path == NULL)
        finish(MARK_NOT_FOUND, 0);
    long oom_kills = count_oom_kills();
    start(&call, path);
    write_payload(&call);
    while (!call.has_ended)
        go_on(&call);
    if (frame->has_terminal)
        drain_terminal(&call);
    finish_ended(call.status, oom_kills >= 0 && count_oom_kills() > oom_kills);
}

int main(void)
{
    struct frame frame = {0};
    prctl(PR_SET_DUMPABLE, 0); /* the command must not read the frame in /proc/1 */
    int signals = watch_signals();
    read_frame(&frame, signals);
    parse_frame(&frame);
    write_mark(STDOUT_FILENO, MARK_BEGUN, 0);
    run(&frame, signals);
}
