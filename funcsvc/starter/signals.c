/* Signals: blocked, and read from a descriptor, so that none is lost between two looks. */
#include "starter.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What it is sent for its command, and news of its children. */
static const int watched[] = {SIGCHLD, SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                              SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

/* Returns a descriptor that they are read from. */
int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would leave nothing to wait for */
    signal(SIGPIPE, SIG_IGN); /* a command need not read its input */
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        refuse("signals can't be watched");
    return signals;
}

/* Returns the next signal that has come, or 0. */
int take_signal(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

/* In the child: what every program may expect. */
void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
