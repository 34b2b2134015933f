/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says about the keys of its cluster (GET and POST /v1/admin/keys),
 * for people.
 */
#ifndef NODE_CLI_KEY_REPORT_H
#define NODE_CLI_KEY_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/keys.h"

/* The keys of the node that was asked, the one that seals first. Returns how
 * many; 0 when the report makes no sense. */
size_t key_report_own(const json_t *report, uint64_t prints[SEAL_KEYS_MAX]);

bool key_report_is_done(const json_t *report);

/* Each key: where it is installed, who seals with it, who misses it. */
void key_report_print_list(const json_t *report);
/* The nodes that did not follow, and the outcome. */
void key_report_print_change(const json_t *report);

#endif
