/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "proto/err.h"

/* What a signal has to know, too: the only mutable state of its kind here. */
static struct {
    struct termios before;
    volatile sig_atomic_t is_open;
    volatile sig_atomic_t is_ended;
    volatile sig_atomic_t is_stopped;
    char key;
} screen;

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static void enter(void);
static void leave(void);

bool screen_is_there(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1 &&
           term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool screen_has_colours(void)
{
    const char *no = getenv("NO_COLOR");

    return screen_is_there() && (no == NULL || no[0] == '\0');
}

struct screen_size screen_size(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ||
        size.ws_row == 0) {
        return (struct screen_size){80, 24};
    }
    return (struct screen_size){size.ws_col, size.ws_row};
}

/* --- the two states --- */

/* Also in a signal handler: only what may be called there. */
static void put(const char *text)
{
    ssize_t ignored = write(STDOUT_FILENO, text, strlen(text));

    (void)ignored; /* the terminal has gone */
}

static void on_end(int number)
{
    (void)number;
    screen.is_ended = 1;
}

static void on_stop(int number)
{
    (void)number;
    screen.is_stopped = 1;
}

static void on_size(int number)
{
    (void)number; /* that it ends a wait is enough */
}

static void on_crash(int number)
{
    leave();
    signal(number, SIG_DFL);
    (void)raise(number);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

int screen_open(void)
{
    if (tcgetattr(STDIN_FILENO, &screen.before) != 0) {
        return ERR_IO;
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        handle(ends[i], on_end);
    }
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++) {
        handle(crashes[i], on_crash);
    }
    handle(SIGTSTP, on_stop);
    handle(SIGWINCH, on_size);
    (void)atexit(screen_close);
    enter();
    return 0;
}

void screen_close(void)
{
    leave();
}

static void enter(void)
{
    struct termios now = screen.before;

    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    screen.is_open = 1;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &now);
    put("\x1b[?1049h\x1b[?25l");
}

static void leave(void)
{
    if (screen.is_open) {
        screen.is_open = 0;
        put("\x1b[0m\x1b[?25h\x1b[?1049l");
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
    }
}

/* --- news --- */

/* ^Z: as any other command, until it is continued. */
static void stop(void)
{
    screen.is_stopped = 0;
    leave();
    (void)raise(SIGSTOP);
    enter();
}

static enum screen_news take_key(void)
{
    ssize_t n = read(STDIN_FILENO, &screen.key, 1);

    return n == 1 ? SCREEN_KEY : n == 0 ? SCREEN_END : SCREEN_NOTHING;
}

enum screen_news screen_wait(int fd, int wait_ms)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = fd, .events = POLLIN}};
    int n = screen.is_ended ? 0 : poll(fds, ARRAY_LEN(fds), wait_ms);

    if (screen.is_stopped) {
        stop();
        return SCREEN_NOTHING;
    }
    if (screen.is_ended || (n < 0 && errno != EINTR)) {
        return SCREEN_END;
    }
    if (n > 0 && fds[0].revents != 0) {
        return take_key();
    }
    return n > 0 && fds[1].revents != 0 ? SCREEN_FD : SCREEN_NOTHING;
}

char screen_key(void)
{
    return screen.key;
}

/* Each line is cleared behind its end, so nothing flickers. */
void screen_show(struct bytes lines)
{
    struct buf out = {0};

    buf_add_str(&out, "\x1b[H");
    for (size_t i = 0; i < lines.len; i++) {
        if (lines.p[i] == '\n') {
            buf_add_str(&out, "\x1b[K\n");
        } else {
            buf_add_u8(&out, lines.p[i]);
        }
    }
    buf_add_str(&out, "\x1b[J");
    for (size_t at = 0; !out.failed && at < out.len;) {
        ssize_t n = write(STDOUT_FILENO, out.p + at, out.len - at);
        if (n < 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    buf_fini(&out);
}
