/* SPDX-License-Identifier: Apache-2.0
 *
 * What a token grants when Momento's permissions ask for it.
 *
 *   of topics      role read-write, read, write: both, subscribe, publish; on
 *                  one cache or every one, one topic, a prefix or all of them
 *   of cache data  nothing: there is no such data here, and a right on it is
 *   of functions   none on topics
 *
 * Permissions only allow, and add up; so one for nothing (role none) adds
 * nothing. Two for the same resource are a mistake, whatever their roles: the
 * second was not meant to widen the first.
 */
#ifndef PROTO_MOMENTO_GRANTS_H
#define PROTO_MOMENTO_GRANTS_H

#include "proto/momento_token.h"
#include "proto/token.h"

/* Fills in the grants of `token`, which borrow from `from`. Errors:
 * ERR_ARGUMENT (none at all, incomplete, twice the same resource, names,
 * TOKEN_GRANTS_MAX), ERR_DENIED (all of a superuser). */
int momento_grants(const struct momento_permissions *from, struct token *token);

#endif
