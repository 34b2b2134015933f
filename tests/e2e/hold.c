/* SPDX-License-Identifier: Apache-2.0
 *
 * e2e_hold TID: holds one thread still, and no other one of its process, until
 * standard input ends (tests/e2e/workers.test.mjs). Says "held" when it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

static int fail(const char *what)
{
    perror(what);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    pid_t thread = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;

    if (thread <= 0) {
        fputs("usage: e2e_hold TID\n", stderr);
        return EXIT_FAILURE;
    }
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0 ||
        ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) {
        return fail("ptrace");
    }
    if (waitpid(thread, NULL, __WALL) != thread) {
        return fail("waitpid");
    }
    puts("held");
    (void)fflush(stdout);
    while (getchar() != EOF) {
    }
    if (ptrace(PTRACE_DETACH, thread, NULL, NULL) != 0) {
        return fail("detach");
    }
    return EXIT_SUCCESS;
}
