/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for node/auth.c until that is there: everyone may do everything.
 */
#include <stdlib.h>

#include "node/auth.h"
#include "proto/err.h"

int auth_init(struct auth *auth, const struct token_keys *keys)
{
    (void)keys;
    auth->insecure = true;
    auth->anonymous = calloc(1, sizeof *auth->anonymous);
    if (auth->anonymous == NULL) {
        return ERR_NOMEM;
    }
    auth->anonymous->refs = 1;
    return 0;
}
void auth_fini(struct auth *auth)
{
    if (auth->anonymous != NULL) {
        identity_unref(auth->anonymous);
    }
    *auth = (struct auth){0};
}
int auth_login(struct auth *auth, struct bytes token, uint64_t now_s,
               struct identity **who)
{
    (void)token;
    (void)now_s;
    *who = auth->anonymous;
    identity_ref(*who);
    return 0;
}
void identity_ref(struct identity *who)
{
    who->refs++;
}
void identity_unref(struct identity *who)
{
    if (--who->refs == 0) {
        free(who);
    }
}
int auth_allows(const struct auth *auth, const struct identity *who,
                enum auth_action action, struct bytes cache, struct bytes topic,
                uint64_t now_s)
{
    (void)auth, (void)who, (void)action, (void)cache, (void)topic, (void)now_s;
    return 0;
}
int auth_allows_pattern(const struct auth *auth, const struct identity *who,
                        struct bytes cache, struct bytes pattern,
                        uint64_t now_s)
{
    (void)auth, (void)who, (void)cache, (void)pattern, (void)now_s;
    return 0;
}
int auth_allows_admin(const struct auth *auth, const struct identity *who,
                      const char *scope, uint64_t now_s)
{
    (void)auth, (void)who, (void)scope, (void)now_s;
    return 0;
}
