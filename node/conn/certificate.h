/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificate of a node (options tls_cert, tls_key): read at the start, and
 * again by a reload (node/config/reload.h), without a change for who is
 * connected. What is wrong with it stands in the log; at the start that ends
 * the node, later the old one stays. One that is not valid now is shown all the
 * same, since a clock may be wrong and an expired one still seals; that is said
 * at each reading and each day.
 */
#ifndef NODE_CERTIFICATE_H
#define NODE_CERTIFICATE_H

struct node;

/* With its conns open; nothing to do without the options. Errors: those of
 * tls_serve(), ERR_NOMEM. */
int certificate_read(struct node *node);
/* Of a node that has one: shows another from now on, which it then owns. */
struct tls_context;
void certificate_take(struct node *node, struct tls_context *context);

#endif
