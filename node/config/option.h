/* SPDX-License-Identifier: Apache-2.0
 *
 * THE table of what may be configured. One row for all readers
 * (node/config/config.c):
 * --cluster-name, STARLING_CLUSTER_NAME and `cluster_name:` are the same one.
 */
#ifndef NODE_OPTION_H
#define NODE_OPTION_H

#include "node/config/config.h"

enum {
    OPTIONS_MAX = 32
};

/* A setter returns NULL or what is wrong. */
struct option {
    const char *name; /* with underscores, as in the file */
    const char *flag; /* the same on the command line, "--tls-cert" */
    const char *(*set)(struct config *config, const char *value);
    const char *value; /* what its value is called */
    const char *what;  /* one line, lower case, no full stop */
    bool is_list;      /* comma-separated in flags and environment */
    bool is_flag;      /* takes no value on the command line */
    /* Reload: whether two configurations say the same here, and whether a
     * running node takes another value or has to be started again. */
    bool (*same)(const struct config *a, const struct config *b);
    bool is_hot;
};

/* By index 0..; NULL past the end. */
const struct option *option_at(size_t i);
const char *option_name(size_t i);
/* NULL: there is none. */
const struct option *option_find(const char *name);
size_t option_index(const struct option *option);

/* Applies one value, a list piece by piece. NULL, or what is wrong. */
const char *option_set(struct config *config, const struct option *option,
                       const char *value);
/* A list of a higher source replaces that of a lower one. */
void option_clear(struct config *config, const struct option *option);

#endif
