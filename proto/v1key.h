/* SPDX-License-Identifier: Apache-2.0
 *
 * A credential as Momento's clients carry it, first version: standard base64 of
 *   {"endpoint":"example.net:7400","api_key":"TOKEN"}
 * so that one string says where to and who. The clients send the inner token;
 * people paste the outer one. No token has its form: a token has dots.
 */
#ifndef PROTO_V1KEY_H
#define PROTO_V1KEY_H

#include "proto/bytes.h"
#include "proto/token.h"

enum {
    V1KEY_ENDPOINT_LEN_MAX = 256,
    V1KEY_LEN_MAX = (TOKEN_LEN_MAX + V1KEY_ENDPOINT_LEN_MAX) / 3 * 4 + 256
};

/* The endpoint of these keys is the authority of a URL, without "http://" and
 * what follows the port; one without a scheme is taken as it is. Its form must
 * be that of host[:port], since clients put "cache." and such in front of it:
 * empty when it is not. */
struct bytes v1key_endpoint(struct bytes url);

/* The endpoint as above. */
void v1key_write(struct bytes endpoint, struct bytes token, struct buf *out);

/* Appends the inner token to `token`. Other members say nothing. Errors:
 * ERR_UNAUTH, ERR_TOO_BIG, ERR_NOMEM; nothing is appended then. */
int v1key_read(struct bytes text, struct buf *token);

#endif
