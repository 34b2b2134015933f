/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling verify` prints: a table for people, or one line of JSON,
 * after the line that counting has begun.
 */
#ifndef NODE_CLI_VERIFY_REPORT_H
#define NODE_CLI_VERIFY_REPORT_H

#include "node/cli/checker.h"

/* Whether every promise was kept. */
bool verify_report_is_clean(const struct checker_report *report);

/* A line when warm-up is over: now is the time for faults. */
void verify_report_counting(const struct checker_options *options);

void verify_report_text(const struct checker_options *options,
                        const struct checker_report *report);
void verify_report_json(const struct checker_options *options,
                        const struct checker_report *report);

#endif
