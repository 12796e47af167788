/* Signals are blocked and read from a descriptor, so that none is lost between two polls. */
#include "starter.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* SIGCHLD, and the signals that are passed on to the command if they come from inside. */
static const int watched[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                              SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

/* Returns the descriptor from which the watched signals are read. */
int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGCHLD, SIG_DFL); /* if it were ignored, waitpid would find nothing */
    signal(SIGPIPE, SIG_IGN); /* a command doesn't have to read its input */
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        refuse("signals can't be watched");
    return signals;
}

/* Returns the next pending signal, or one whose number is 0. All those that end a process come before
 * SIGCHLD. A sender outside of this process's pid namespace has no pid in it, nor has the kernel. */
struct taken take_signal(int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return (struct taken){0};
    return (struct taken){.number = info.ssi_signo, .is_from_outside = info.ssi_pid == 0};
}

/* Called in the child: restores what programs expect. */
void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
