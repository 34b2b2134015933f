/* SPDX-License-Identifier: Apache-2.0
 *
 * A running node goes on with what a reload brought it (struct settings of
 * node/config/reload.h). All of it was read, checked and made before, so
 * nothing here can fail half way.
 */
#ifndef NODE_SETTINGS_H
#define NODE_SETTINGS_H

struct node;
struct settings;

/* Takes them, and frees them: who is connected stays, as long as the new keys
 * know the one that signed its token. */
void settings_take(struct node *node, struct settings *settings);

#endif
