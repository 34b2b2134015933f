/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request of a command, and its whole answer.
 */
#ifndef NODE_CLI_FETCH_H
#define NODE_CLI_FETCH_H

#include "node/cli/link.h"

/* Sends METHOD path to the node and reads the whole answer into `body`
 * (replaced). token may be NULL. Returns the status (200 ...) or an error as
 * of link_open() and link_read(), ERR_SYNTAX when it is no HTTP answer. */
int fetch(const struct link_url *url, const char *method, const char *path,
          const char *token, struct bytes content, struct buf *body);

/* The best of a few round trips of a small request to an endpoint (a URL), on
 * one connection, in microseconds; UINT64_MAX when it does not answer. */
uint64_t fetch_round_trip_us(const char *endpoint);

#endif
