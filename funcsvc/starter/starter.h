/* What the starter's source files share. starter.c says what the starter is for. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* frame.c */

struct frame {
    char *start;
    char *at; /* the beginning of the part that hasn't been parsed yet */
    char *end;
    bool has_terminal;
    char **environment; /* the container's own, overridden by the frame's variables */
    char **words;
    char *payload; /* ROOM_BYTES can be added at its end */
    size_t payload_bytes;
};

enum { NONCE_BYTES = 32, ROOM_BYTES = 2 };

extern char nonce[NONCE_BYTES];

void read_frame(struct frame *frame, int signals);
void parse_frame(struct frame *frame);
void free_frame(struct frame *frame);
char **place_of(const char *variable, char **environment);

/* marks.c */

enum { NOT_STARTED = 125 }; /* the exit status of a starter that hasn't run the command */

/* The kinds of marks, each with its letter. starter.c says what they mean. */
enum mark {
    MARK_BEGUN = 'B',
    MARK_EXITED = 'X',
    MARK_KILLED = 'S',
    MARK_OUT_OF_MEMORY = 'O',
    MARK_NOT_FOUND = 'P',
    MARK_NOT_EXECUTABLE = 'N',
    MARK_STARTER_FAILED = 'F',
    MARK_ENDED_FROM_OUTSIDE = 'E',
};

void write_all(int stream, const char *bytes, size_t count);
void write_mark(int stream, enum mark kind, unsigned number);
_Noreturn void finish(enum mark kind, unsigned number);
_Noreturn void finish_from_outside(unsigned signal);
_Noreturn void refuse(const char *why);

/* signals.c */

struct taken {
    int number; /* 0 if no signal was pending */
    bool is_from_outside;
};

int watch_signals(void);
struct taken take_signal(int signals);
void reset_signals(void);

/* command.c */

const char *find_command(const char *word, char **environment);
pid_t start_command(const struct frame *frame, const char *path, int input);
long count_oom_kills(void);
