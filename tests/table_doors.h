/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of doors for tests of carriers, in the place of node/door/door.c.
 *
 *   bytes "echo\n"     byte: every line comes back; "login" and "logout" do
 *                      that, "wait" pauses the conn, "bye" closes and then
 * looks at its line again GET|POST /now      answers "now METHOD BODY" /later
 * answers when table_answer() is called /stream            streams; table_say()
 * adds, client_end() ends /refuse            on_request() fails with ERR_DENIED
 *   WebSocket /ws      messages come back; "boom" is an error; subprotocols
 *                      "one" (text) and "two" (binary); open fails when
 *                      table_seen.open_fails is set
 */
#ifndef TESTS_TABLE_DOORS_H
#define TESTS_TABLE_DOORS_H

#include "node/client/client.h"
#include "node/door/door.h"

struct table_seen {
    int requests; /* that reached a door */
    int messages; /* that reached a door */
    int opened;
    int closed; /* on_close() */
    int cut;    /* of these, by the peer */
    int errors; /* say_error() */
    int last_error;
    int last_byte;        /* first of "bye", after the close */
    uint64_t most_queued; /* in the client of a request */
    struct client *later; /* who waits at /later or /stream */
    int open_fails;       /* what the WebSocket door's open returns */
};
extern struct table_seen table_seen;

void table_reset(void);
/* Answers the request that waits at /later with "later". */
void table_answer(void);

#endif
