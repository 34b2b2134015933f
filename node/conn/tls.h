/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS without a socket: bytes of the peer go in, plain bytes come out, and what
 * has to be sent is appended to a buffer. Nothing here waits, so nothing is
 * ever "to be tried again": whoever has the socket keeps what it did not take.
 *
 *   socket --> tls_read() --> plain --> carrier
 *   socket <-- out <-- tls_write() <-- plain
 *
 * The one doorway to libssl, for both sides: a node shows a certificate, our
 * own commands check one. Versions 1.2 and 1.3; of 1.2 only what is forward
 * secret and authenticated; no renegotiation, no compression, no early data.
 * A connection that is silent holds no buffers. One thread a context.
 */
#ifndef NODE_TLS_H
#define NODE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    TLS_RECORD_LEN = 16 << 10, /* plain bytes of the largest record */
    TLS_SERIAL_MAX = 48,
    TLS_WHY_MAX = 512,
};

struct tls_context; /* what connections of one kind share */
struct tls;         /* one connection */

/* For a server: a chain of certificates, the own one first, and its key, both
 * PEM. The key's file may be read by its owner and its group, nobody else: it
 * comes from other programs, which hand it to a service by its group.
 * Owner   the caller: tls_context_free(); connections made keep what they need.
 * Errors, each with `why`: ERR_IO (cannot be read), ERR_DENIED (mode),
 * ERR_CONFIG (makes no sense, do not belong together), ERR_NOMEM. */
int tls_serve(struct tls_context **context, const char *cert, const char *key,
              char why[TLS_WHY_MAX]);

/* For a client: trusts the authorities of a PEM file, or those of the system
 * (NULL). Errors: ERR_CONFIG, ERR_NOMEM. */
int tls_trust(struct tls_context **context, const char *ca,
              char why[TLS_WHY_MAX]);
void tls_context_free(struct tls_context *context); /* NULL is fine */

/* Of a server's own certificate, in seconds of 1970. */
struct tls_facts {
    uint64_t from_s;
    uint64_t until_s;
    char serial[TLS_SERIAL_MAX];
};
struct tls_facts tls_facts(const struct tls_context *context);
/* Of the certificate that the server showed, after the handshake. */
struct tls_facts tls_peer_facts(const struct tls *tls);

/* `host`: whom a client wants, a name or an address, which the certificate must
 * name; NULL for a server. Errors: NULL, memory is short. */
struct tls *tls_new(struct tls_context *context, const char *host);
void tls_free(struct tls *tls); /* NULL is fine */

/* Takes from the front of *in and puts plain bytes at `to`. Returns how many, 0
 * when all of *in is taken and there is no more, or ERR_IO: the peer is wrong,
 * or was told so; then nothing can be read or written any more, and what is in
 * `out` are the last words. The handshake is done on the way. A client begins
 * it by reading nothing. */
ptrdiff_t tls_read(struct tls *tls, struct bytes *in, uint8_t *to, size_t cap,
                   struct buf *out);
/* After the handshake. Errors: ERR_IO. */
int tls_write(struct tls *tls, struct bytes plain, struct buf *out);
/* Says that nothing more comes from here. */
void tls_end(struct tls *tls, struct buf *out);

bool tls_is_shaken(const struct tls *tls); /* the handshake is done */
bool tls_has_ended(const struct tls *tls); /* the peer said so */
/* What was wrong, after ERR_IO: a fixed text, nothing of the peer's. */
const char *tls_why(const struct tls *tls);

#endif
