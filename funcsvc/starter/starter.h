/* What the parts of the starter share. starter.c says what it is for. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* frame.c */

struct frame {
    char *start;
    char *at; /* what has not been taken apart yet */
    char *end;
    bool has_terminal;
    char **environment; /* the starter's own, with the frame's put over it */
    char **words;
    char *payload; /* with room for two bytes behind it */
    size_t payload_bytes;
};

enum { NONCE_BYTES = 32, ROOM_BYTES = 2 };

extern char nonce[NONCE_BYTES];

void read_frame(struct frame *frame, int signals);
void parse_frame(struct frame *frame);
void free_frame(struct frame *frame);
char **place_of(const char *variable, char **environment);

/* marks.c */

enum { NOT_STARTED = 125 }; /* an exit status: the starter has run nothing */

/* The kinds of marks, by the letter that stands in them; starter.c says what each means. */
enum mark {
    MARK_BEGUN = 'B',
    MARK_EXITED = 'X',
    MARK_KILLED = 'S',
    MARK_OUT_OF_MEMORY = 'O',
    MARK_NOT_FOUND = 'P',
    MARK_NOT_EXECUTABLE = 'N',
    MARK_STARTER_FAILED = 'F',
};

void write_all(int stream, const char *bytes, size_t count);
void write_mark(int stream, enum mark kind, unsigned number);
_Noreturn void finish(enum mark kind, unsigned number);
_Noreturn void refuse(const char *why);

/* signals.c */

int watch_signals(void);
int take_signal(int signals);
void reset_signals(void);

/* command.c */

const char *find_command(const char *word, char **environment);
pid_t start_command(const struct frame *frame, const char *path, int input);
long count_oom_kills(void);
