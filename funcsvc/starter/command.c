/* The command: found as the engine would find it, and started as a child with its own session. */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_executable(const char *path)
{
    return access(path, X_OK) == 0 && !is_directory(path);
}

/* Returns the file that a command's first word names, or NULL if it isn't found in $PATH. */
const char *find_command(const char *word, char **environment)
{
    static char path[PATH_MAX];
    const char *variable = *place_of("PATH=", environment);
    const char *folder = variable != NULL ? variable + strlen("PATH=") : "";
    if (strchr(word, '/') != NULL)
        return word;
    for (bool is_last = *folder == '\0'; !is_last;) {
        int length = strcspn(folder, ":"); /* 0 means the working directory */
        int used = snprintf(path, sizeof path, "%.*s%s%s", length, folder, length ? "/" : "", word);
        if (used < (int)sizeof path && is_executable(path))
            return path;
        is_last = folder[length] == '\0';
        folder += length + 1;
    }
    return NULL;
}

/* Called in the child. Returns only if the command can't be executed. */
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
        errno = EISDIR; /* the engine reports it like this */
}

/* Starts the command with `input` as its standard input. Returns its pid once it is executing. */
pid_t start_command(const struct frame *frame, const char *path, int input)
{
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC) != 0)
        finish(MARK_STARTER_FAILED, errno);
    pid_t command = fork();
    if (command < 0)
        finish(MARK_STARTER_FAILED, errno);
    if (command == 0) {
        execute(frame, path, input);
        error = errno;
        _exit(write(report[1], &error, sizeof error) != sizeof error);
    }
    close(input);
    close(report[1]);
    if (read(report[0], &error, sizeof error) == sizeof error)
        finish(MARK_NOT_EXECUTABLE, error);
    close(report[0]);
    return command;
}

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

/* Returns how often the kernel has killed in this container for lack of memory, or -1 if unknown. */
long count_oom_kills(void)
{
    long count = read_oom_kills("/sys/fs/cgroup/memory/memory.oom_control");
    return count >= 0 ? count : read_oom_kills("/sys/fs/cgroup/memory.events");
}
