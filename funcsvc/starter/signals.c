/* Signals are blocked and read from a descriptor, so that none is lost between two polls. */
#include "starter.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The signals to pass on to the command, and SIGCHLD. */
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

/* Returns the next pending signal, or 0. */
int take_signal(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
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
