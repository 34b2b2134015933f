/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_lan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node/config/keyfile.h"
#include "proto/err.h"
#include "proto/token.h"
#include "proto/token_id.h"

static int find_address(struct dev_lan *lan, const char *address,
                        const char **why);
static int make_keys(struct dev_lan *lan);
static int mint_both(struct dev_lan *lan);

int dev_lan_open(struct dev_lan *lan, const char *address, const char **why)
{
    *lan = (struct dev_lan){.keys_fd = -1};
    int rc = find_address(lan, address, why);

    if (rc != 0) {
        return rc;
    }
    *why = "cannot make keys in a temporary file";
    rc = make_keys(lan);
    if (rc == 0) {
        rc = mint_both(lan);
    }
    if (rc != 0) {
        dev_lan_close(lan);
    }
    return rc;
}

void dev_lan_close(struct dev_lan *lan)
{
    if (lan->keys_fd >= 0) {
        close(lan->keys_fd);
    }
    buf_fini(&lan->presenter);
    buf_fini(&lan->guest);
    *lan = (struct dev_lan){.keys_fd = -1};
}

/* --- the address --- */

static bool is_private(uint32_t ip)
{
    return ip >> 24 == 10 || ip >> 20 == (172 << 4 | 1) ||
           ip >> 16 == (192 << 8 | 168);
}

/* Networks of this machine alone. */
static bool is_virtual(const char *name)
{
    static const char *const fronts[] = {"docker", "br-", "veth", "virbr",
                                         "lxc"};

    for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
        if (strncmp(name, fronts[i], strlen(fronts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* 0: not one that others reach; the higher the better. */
static int worth(const struct ifaddrs *one)
{
    const unsigned wanted = IFF_UP | IFF_RUNNING | IFF_BROADCAST;

    if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
        (one->ifa_flags & wanted) != wanted ||
        (one->ifa_flags & IFF_LOOPBACK) != 0) {
        return 0;
    }
    const struct sockaddr_in *in = (const void *)one->ifa_addr;
    return 1 + is_private(ntohl(in->sin_addr.s_addr)) +
           2 * !is_virtual(one->ifa_name);
}

static int find_address(struct dev_lan *lan, const char *address,
                        const char **why)
{
    struct ifaddrs *all = NULL;
    struct in_addr in;
    int best = 0;

    if (address != NULL) {
        *why = "--address is no IPv4 address";
        return inet_pton(AF_INET, address, &in) == 1 &&
                       inet_ntop(AF_INET, &in, lan->host, sizeof lan->host) !=
                           NULL
                   ? 0
                   : ERR_ARGUMENT;
    }
    *why = "this machine is in no network; --address A names one of its "
           "addresses";
    if (getifaddrs(&all) != 0) {
        return ERR_NOT_FOUND;
    }
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (worth(one) > best) {
            best = worth(one);
            in = ((const struct sockaddr_in *)(const void *)one->ifa_addr)
                     ->sin_addr;
        }
    }
    freeifaddrs(all);
    if (best == 0) {
        return ERR_NOT_FOUND;
    }
    (void)inet_ntop(AF_INET, &in, lan->host, sizeof lan->host);
    return 0;
}

/* --- keys --- */

/* Its name is gone before a node starts. */
static int make_keys(struct dev_lan *lan)
{
    const char *tmp = getenv("TMPDIR");
    char folder[256];
    char path[sizeof folder + 8];
    int len = snprintf(folder, sizeof folder, "%s/starling-dev-XXXXXX",
                       tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");

    if (len < 0 || (size_t)len >= sizeof folder || mkdtemp(folder) == NULL) {
        return ERR_IO;
    }
    snprintf(path, sizeof path, "%s/keys", folder);
    int rc = keyfile_create(path);
    if (rc == 0) {
        lan->keys_fd = open(path, O_RDONLY); /* children inherit it */
        rc = lan->keys_fd < 0 ? ERR_IO : 0;
    }
    (void)unlink(path);
    (void)rmdir(folder);
    snprintf(lan->keys, sizeof lan->keys, "/proc/self/fd/%d", lan->keys_fd);
    return rc;
}

/* --- tokens --- */

static int mint(const struct keyfile *keys, const char *subject,
                const char *const *scopes, struct buf *out)
{
    const struct token_grant everything = {.all = true, .role = TOKEN_BOTH};
    uint64_t now_s = (uint64_t)time(NULL);
    uint8_t salt[SEAL_KEY_LEN];
    struct token token = {
        .subject = bytes_str(subject),
        .issued_at = now_s,
        .expires_at = now_s + DEV_LAN_TTL_S,
        .grants_len = 1,
        .grants = {everything},
    };

    keyfile_random(salt);
    struct token_id id = token_id_make(token.expires_at, salt);
    token.id = bytes_of(id.text, sizeof id.text);
    while (scopes[token.scopes_len] != NULL) {
        token.scopes[token.scopes_len] = bytes_str(scopes[token.scopes_len]);
        token.scopes_len++;
    }
    int rc = token_write(&keys->token_keys, &token, out);
    buf_add_u8(out, '\0');
    return rc == 0 && out->failed ? ERR_NOMEM : rc;
}

static int mint_both(struct dev_lan *lan)
{
    static const char *const all[] = {"admin:*", NULL};
    static const char *const look[] = {"admin:read", NULL};
    struct keyfile *keys = calloc(1, sizeof *keys);
    char why[512];

    if (keys == NULL) {
        return ERR_NOMEM;
    }
    int rc = keyfile_read(lan->keys, keys, why, sizeof why);
    if (rc == 0) {
        rc = mint(keys, "presenter", all, &lan->presenter);
    }
    if (rc == 0) {
        rc = mint(keys, "guest", look, &lan->guest);
    }
    explicit_bzero(keys, sizeof *keys);
    free(keys);
    return rc;
}
