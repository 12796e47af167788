/*
 * The first process of every container. It waits for one frame on its standard input, runs the
 * command that the frame names, and marks on the output streams where the call begins and ends.
 * docs/starter.md says why it is as it is; funcsvc/engine/protocol.py is the other side.
 *
 *   "FSV1" | length | nonce | flags | count | variables | count | words | length | payload
 *     4        4       32       4       4                   4               4
 *                     '------------------- `length` bytes, 4 MiB at most ------------------'
 *
 * Integers are unsigned, of 32 bits, big-endian. A variable ("NAME=value") and a word are a length
 * and so many bytes, none of them NUL. The nonce is hex digits. Bit 0 of the flags asks for a
 * terminal; the others are 0. A frame that is anything else, or not whole, runs nothing.
 *
 *   mark    nonce | " " | kind | " " | 8 decimal digits | "\n"
 *
 *   B 0       the frame is whole, the command begins: on standard output alone
 *   X status  it exited                         O status  it failed, and the kernel killed for
 *   S signal  it was killed                               want of memory meanwhile
 *   P 0       it was not found in $PATH         N errno   it could not be executed
 *   F errno   the starter failed
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <search.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 4,
    INTEGER_BYTES = 4,
    NONCE_BYTES = 32,
    MARK_BYTES = 44,
    MAX_FRAME_BYTES = 4 * 1024 * 1024,
    TERMINAL_FLAG = 1,

    EXIT_STARTER_FAILED = 125,
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,

    COPY_BYTES = 4096,       /* as much as a pipe that has room takes without blocking */
    DRAIN_BYTES = 64 * 1024, /* more than the kernel keeps of a terminal's output */
    LOOK_AGAIN_MS = 100,

    END_OF_FILE = 'D' & 31, /* the key that a terminal takes for it: control-D */
};

struct frame {
    char *start;
    char *at; /* what has not been taken yet */
    char *end;
    bool has_terminal;
    char **environment;
    char **words;
    char *payload;
    size_t payload_bytes;
};

struct call {
    struct frame *frame;
    int signals; /* a descriptor that signals are read from */
    int input;   /* where the payload goes; -1 once that is done */
    int master;  /* the terminal's other side, or -1 */
    bool is_terminal_closed;
    char output[COPY_BYTES]; /* of the terminal, on its way to standard output */
    size_t output_at;
    size_t output_bytes;
    pid_t command;
    bool has_ended;
    int status;
};

static char nonce[NONCE_BYTES];

/* ---- what is said ---- */

/* Programs may have made our streams non-blocking: they share them. */
static void write_all(int stream, const char *bytes, size_t count)
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

static _Noreturn void refuse(const char *sentence)
{
    write_all(STDERR_FILENO, sentence, strlen(sentence));
    _exit(EXIT_STARTER_FAILED);
}

static void write_mark(int stream, char kind, unsigned number)
{
    char mark[MARK_BYTES];
    memcpy(mark, nonce, NONCE_BYTES);
    memcpy(mark + NONCE_BYTES, " ? 00000000\n", MARK_BYTES - NONCE_BYTES);
    mark[NONCE_BYTES + 1] = kind;
    for (int place = MARK_BYTES - 2; number > 0; number /= 10)
        mark[place--] = '0' + number % 10;
    write_all(stream, mark, MARK_BYTES);
}

static int exit_status(char kind, unsigned number)
{
    switch (kind) {
    case 'X':
    case 'O':
        return number;
    case 'S':
        return 128 + number;
    case 'P':
        return EXIT_NOT_FOUND;
    case 'N':
        return number == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    default:
        return EXIT_STARTER_FAILED;
    }
}

static _Noreturn void finish(char kind, unsigned number)
{
    write_mark(STDOUT_FILENO, kind, number);
    write_mark(STDERR_FILENO, kind, number);
    _exit(exit_status(kind, number));
}

/* ---- signals ---- */

/* Blocked, they wait until they are read: none is lost, and init gets those of its own, too. */
static int watch_signals(void)
{
    static const int watched[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                  SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        refuse("funcsvc-starter: signals can't be watched.\n");
    return signals;
}

static int take_signal(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- the frame, as it comes ---- */

/* Before there is a command that they could be forwarded to, they are meant for the starter. */
static void obey_signal(int signals)
{
    int number = take_signal(signals);
    if (number == SIGTERM || number == SIGINT)
        _exit(128 + number);
}

/* Returns how many bytes came, which are less than `count` at the end of the input. */
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

static void read_frame(struct frame *frame, int signals)
{
    char head[MAGIC_BYTES + INTEGER_BYTES];
    size_t have = read_all(signals, head, sizeof head);
    if (have == 0)
        _exit(EXIT_STARTER_FAILED);
    if (have < sizeof head)
        refuse("funcsvc-starter: the frame is not whole.\n");
    if (memcmp(head, "FSV1", MAGIC_BYTES) != 0)
        refuse("funcsvc-starter: this is no frame of version 1.\n");
    uint32_t length = integer_at(head + MAGIC_BYTES);
    if (length > MAX_FRAME_BYTES)
        refuse("funcsvc-starter: the frame is too long.\n");
    /* Two bytes more: the payload may get two keys to end a terminal's input with. */
    frame->start = mmap(NULL, length + 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (frame->start == MAP_FAILED)
        refuse("funcsvc-starter: there is no memory for the frame.\n");
    frame->at = frame->start;
    frame->end = frame->start + length;
    if (read_all(signals, frame->start, length) < length)
        refuse("funcsvc-starter: the frame is not whole.\n");
}

/* ---- the frame, taken apart ---- */

static char *take_bytes(struct frame *frame, size_t count)
{
    if ((size_t)(frame->end - frame->at) < count)
        refuse("funcsvc-starter: the frame is shorter than its parts.\n");
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
        refuse("funcsvc-starter: a string of the frame holds a NUL.\n");
    /* To the left, over the length, which has been taken: that makes room for a NUL. */
    char *string = memmove(bytes - 1, bytes, length);
    string[length] = '\0';
    return string;
}

/* Returns how many strings follow, and an array for them, `more` others and a NULL. */
static uint32_t take_count(struct frame *frame, size_t more, char ***strings)
{
    uint32_t count = take_integer(frame);
    if (count > (size_t)(frame->end - frame->at) / INTEGER_BYTES)
        refuse("funcsvc-starter: the frame is shorter than its parts.\n");
    *strings = calloc(count + more + 1, sizeof **strings);
    if (*strings == NULL)
        refuse("funcsvc-starter: there is no memory for the frame.\n");
    return count;
}

static int compare_names(const void *one, const void *other)
{
    const char *a = *(char *const *)one, *b = *(char *const *)other;
    size_t a_length = strcspn(a, "="), b_length = strcspn(b, "=");
    int order = strncmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* Writes a variable to `*next`, or over the one of its name; returns the next free place. */
static char **put_variable(char **next, char *variable, void **names)
{
    *next = variable;
    char ***place = tsearch(next, names, compare_names);
    if (place == NULL)
        refuse("funcsvc-starter: there is no memory for the environment.\n");
    if (*place == next)
        return next + 1;
    **place = variable;
    *next = NULL;
    return next;
}

static void take_environment(struct frame *frame)
{
    size_t own = 0;
    while (environ[own] != NULL)
        own++;
    uint32_t count = take_count(frame, own, &frame->environment);
    char **next = frame->environment;
    void *names = NULL;
    for (size_t i = 0; i < own; i++)
        next = put_variable(next, environ[i], &names);
    for (uint32_t i = 0; i < count; i++) {
        char *variable = take_string(frame);
        if (strchr(variable, '=') == NULL || *variable == '=')
            refuse("funcsvc-starter: a variable of the frame has no name.\n");
        next = put_variable(next, variable, &names);
    }
}

static void take_words(struct frame *frame)
{
    uint32_t count = take_count(frame, 0, &frame->words);
    if (count == 0)
        refuse("funcsvc-starter: the frame has no words.\n");
    for (uint32_t i = 0; i < count; i++)
        frame->words[i] = take_string(frame);
}

static void take_nonce(struct frame *frame)
{
    memcpy(nonce, take_bytes(frame, NONCE_BYTES), NONCE_BYTES);
    for (int i = 0; i < NONCE_BYTES; i++)
        if (!isxdigit((unsigned char)nonce[i]))
            refuse("funcsvc-starter: the nonce is not of hex digits.\n");
}

static void parse_frame(struct frame *frame)
{
    take_nonce(frame);
    uint32_t flags = take_integer(frame);
    if ((flags & ~TERMINAL_FLAG) != 0)
        refuse("funcsvc-starter: the frame has unknown flags.\n");
    frame->has_terminal = flags & TERMINAL_FLAG;
    take_environment(frame);
    take_words(frame);
    frame->payload_bytes = take_integer(frame);
    frame->payload = take_bytes(frame, frame->payload_bytes);
    if (frame->at != frame->end)
        refuse("funcsvc-starter: the frame is longer than its parts.\n");
}

/* ---- the kernel's out-of-memory killer ---- */

static long read_oom_kills(const char *path)
{
    char text[1024];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length < 0)
        return -1;
    text[length] = '\0';
    const char *counter = strstr(text, "oom_kill ");
    return counter == NULL ? -1 : atol(counter + strlen("oom_kill "));
}

/* Returns how often it has struck in this container, or -1 where that can't be known. */
static long count_oom_kills(void)
{
    long count = read_oom_kills("/sys/fs/cgroup/memory/memory.oom_control");
    return count >= 0 ? count : read_oom_kills("/sys/fs/cgroup/memory.events");
}

/* ---- the command ---- */

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_executable(const char *path)
{
    return access(path, X_OK) == 0 && !is_directory(path);
}

static const char *search_path(char *const *environment)
{
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    return "";
}

/* Returns the file that a command's first word means to the engine, or NULL when there is none. */
static const char *find_command(const char *word, const char *folders)
{
    static char path[PATH_MAX];
    if (strchr(word, '/') != NULL)
        return word;
    while (*folders != '\0') {
        size_t length = strcspn(folders, ":");
        const char *folder = length > 0 ? folders : "."; /* an empty element */
        size_t used = length > 0 ? length : 1;
        if (used + 1 + strlen(word) < sizeof path) {
            memcpy(path, folder, used);
            path[used] = '/';
            strcpy(path + used + 1, word);
            if (is_executable(path))
                return path;
        }
        folders += length;
        if (*folders == ':' && *++folders == '\0')
            folders = ".";
    }
    return NULL;
}

/* In the child: returns only when it can't be executed. */
static void execute(const struct frame *frame, const char *path, int input)
{
    setsid();
    dup2(input, STDIN_FILENO);
    if (frame->has_terminal) {
        ioctl(input, TIOCSCTTY, 0);
        dup2(input, STDOUT_FILENO);
        dup2(input, STDERR_FILENO);
    }
    reset_signals();
    execve(path, frame->words, frame->environment);
    if (errno == EACCES && is_directory(path))
        errno = EISDIR; /* what the engine says */
}

/* Starts the command with a standard input; returns once it is executed. */
static pid_t start_command(const struct frame *frame, const char *path, int input)
{
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC) != 0)
        finish('F', errno);
    pid_t command = fork();
    if (command < 0)
        finish('F', errno);
    if (command == 0) {
        execute(frame, path, input);
        error = errno;
        _exit(write(report[1], &error, sizeof error) != sizeof error);
    }
    close(input);
    close(report[1]);
    if (read(report[0], &error, sizeof error) == sizeof error)
        finish('N', error);
    close(report[0]);
    return command;
}

/* ---- its input and output ---- */

/* Both ends of the payload's way: [0] for the command, [1] for the starter. */
static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
        finish('F', errno);
}

/* A slave's path and not TIOCGPTPEER, which not every runtime knows. */
static void open_terminal(int ends[2])
{
    static const struct winsize size = {.ws_row = 24, .ws_col = 80};
    char slave[64];
    ends[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (ends[1] < 0 || unlockpt(ends[1]) != 0 || ptsname_r(ends[1], slave, sizeof slave) != 0)
        finish('F', errno);
    ends[0] = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] < 0 || ioctl(ends[1], TIOCSWINSZ, &size) != 0)
        finish('F', errno);
}

/* At a line's start one key ends the input; elsewhere the first only sends the line off. */
static void type_end_of_file(struct frame *frame)
{
    char last = frame->payload_bytes > 0 ? frame->payload[frame->payload_bytes - 1] : '\n';
    if (strchr("\n\r\004", last) == NULL || last == '\0')
        frame->payload[frame->payload_bytes++] = END_OF_FILE;
    frame->payload[frame->payload_bytes++] = END_OF_FILE;
}

static void end_input(struct call *call)
{
    if (call->input != call->master)
        close(call->input);
    call->input = -1;
    munmap(call->frame->start, call->frame->end - call->frame->start + 2);
}

static void write_payload(struct call *call)
{
    struct frame *frame = call->frame;
    ssize_t written = write(call->input, frame->payload, frame->payload_bytes);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (written < 0)
        written = frame->payload_bytes; /* nobody reads it any more */
    frame->payload += written;
    frame->payload_bytes -= written;
    if (frame->payload_bytes == 0)
        end_input(call);
}

/* Where nobody has the terminal open it says so at once, and somebody may open it again. */
static bool read_output(struct call *call)
{
    ssize_t got = read(call->master, call->output, sizeof call->output);
    call->is_terminal_closed = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    call->output_at = 0;
    call->output_bytes = got > 0 ? got : 0;
    return got > 0;
}

static void write_output(struct call *call)
{
    ssize_t written = write(STDOUT_FILENO, call->output + call->output_at, call->output_bytes);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (written < 0)
        written = call->output_bytes;
    call->output_at += written;
    call->output_bytes -= written;
}

/* Copies what the terminal still has; whoever goes on writing to it is not waited for. */
static void drain_output(struct call *call)
{
    size_t drained = 0;
    do {
        write_all(STDOUT_FILENO, call->output + call->output_at, call->output_bytes);
        drained += call->output_bytes;
    } while (drained < DRAIN_BYTES && poll(&(struct pollfd){call->master, POLLIN, 0}, 1, 0) > 0 &&
             read_output(call));
}

/* ---- until it has ended ---- */

/* Whatever a container leaves behind is its first process's to reap. */
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

static void handle_signal(struct call *call)
{
    int number = take_signal(call->signals);
    if (number == SIGCHLD)
        reap(call);
    else if (number != 0)
        kill(call->command, number);
}

static void handle_next(struct call *call)
{
    bool has_output = call->output_bytes > 0;
    struct pollfd fds[] = {
        {call->signals, POLLIN, 0},
        {call->input, POLLOUT, 0},
        {has_output || call->is_terminal_closed ? -1 : call->master, POLLIN, 0},
        {has_output ? STDOUT_FILENO : -1, POLLOUT, 0},
    };
    if (poll(fds, 4, call->is_terminal_closed ? LOOK_AGAIN_MS : -1) < 0)
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
        finish('O', was_killed ? 128 + number : number);
    finish(was_killed ? 'S' : 'X', number);
}

static _Noreturn void run(struct frame *frame, int signals)
{
    struct call call = {.frame = frame, .signals = signals, .master = -1};
    const char *path = find_command(frame->words[0], search_path(frame->environment));
    if (path == NULL)
        finish('P', 0);
    long oom_kills = count_oom_kills();
    int ends[2];
    if (frame->has_terminal) {
        open_terminal(ends);
        type_end_of_file(frame);
        call.master = ends[1];
    } else {
        open_pipe(ends);
    }
    call.input = ends[1];
    call.command = start_command(frame, path, ends[0]);
    write_payload(&call);
    while (!call.has_ended)
        handle_next(&call);
    if (call.master >= 0)
        drain_output(&call);
    finish_ended(call.status, oom_kills >= 0 && count_oom_kills() > oom_kills);
}

int main(void)
{
    struct frame frame = {0};
    prctl(PR_SET_DUMPABLE, 0); /* the command must not read its frame in /proc/1 */
    int signals = watch_signals();
    read_frame(&frame, signals);
    parse_frame(&frame);
    write_mark(STDOUT_FILENO, 'B', 0);
    run(&frame, signals);
}
