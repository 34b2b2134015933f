/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_say.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void dev_say(const char *format, ...)
{
    time_t now = time(NULL);
    struct tm tm;
    char clock[16] = "";
    va_list args;

    if (localtime_r(&now, &tm) != NULL) {
        (void)strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    }
    printf("  %s  ", clock);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    puts("");
    (void)fflush(stdout);
}
