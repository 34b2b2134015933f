/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of a client share:
 *
 *   client.c       life, output, time
 *   client_verb.c  identity, publish, subscribe
 *   client_cork.c  the barrier
 *   client_slow.c  the policy for slow readers
 */
#ifndef NODE_CLIENT_PRIVATE_H
#define NODE_CLIENT_PRIVATE_H

#include "node/client/client.h"

/* Closes without last words: memory is short, or it may not have more. */
void client_abort(struct client *client);

/* Nobody reads its output any more: for traces. */
void client_note_unread(struct client *client);

/* Changes the identity; subscriptions that it does not allow end. */
void client_become(struct client *client, struct identity *who);
/* Ends what the identity no longer allows. */
void client_recheck(struct client *client);

/* Starts or ends the time above the soft bound. */
void client_watch_bounds(struct client *client);
/* Sets `watch` to the earlier of expiry and the end of that time. */
void client_arm_watch(struct client *client);
void client_on_watch(struct deadline *deadline, uint64_t now_ms);

/* How many subscribes wait. */
uint32_t corks_len(const struct client *client);
/* Acknowledges everything that waits as partial. */
void corks_release_all(struct client *client);
/* Takes them out without a word: the door goes. */
void corks_drop(struct client *client);
void corks_check(const struct client *client);

#endif
