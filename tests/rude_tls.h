/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of TLS that does what ours never do. Include after tests/test.h.
 */
#ifndef TESTS_RUDE_TLS_H
#define TESTS_RUDE_TLS_H

#include "proto/bytes.h"

struct rude_tls;

struct rude_tls *rude_new(void);
void rude_free(struct rude_tls *rude);
/* Hears bytes of the server and goes on with the handshake. */
void rude_hear(struct rude_tls *rude, struct bytes in);
/* Takes new keys, so often; with `asks` it wants the server's to be new, too.
 */
void rude_update_keys(struct rude_tls *rude, unsigned times, bool asks);
void rude_write(struct rude_tls *rude, struct bytes plain);
/* Appends what it has to say to the server. */
void rude_say(struct rude_tls *rude, struct buf *out);

#endif
