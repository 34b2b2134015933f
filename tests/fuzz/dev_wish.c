/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of POST /v1/dev, and lines on the terminal of `starling dev`. A wish
 * that is understood names nodes and regions that there are; one that is not is
 * answered with words.
 */
#include "tests/fuzz/fuzz.h"

#include "node/cli/dev_wish.h"
#include "proto/err.h"

static void check(const struct dev_nodes *nodes, int rc,
                  const struct dev_wish *wish, const char *words)
{
    if (rc != 0) {
        assert(rc == ERR_SYNTAX || rc == ERR_ARGUMENT || rc == ERR_NOT_FOUND);
        assert(words[0] != '\0' && strlen(words) < DEV_WORDS_MAX);
        return;
    }
    assert(wish->node < nodes->len && wish->ms <= DEV_WAN_MAX_MS);
    assert(wish->regions[0] < nodes->regions_len &&
           wish->regions[1] <= nodes->regions_len);
    assert(wish->verb != DEV_PARTITION || wish->regions[0] != wish->regions[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dev_nodes nodes = {
        .len = 3, .workers = 1, .regions = {"eu", "us"}, .regions_len = 2};
    char words[DEV_WORDS_MAX] = "";
    struct dev_wish wish = {0};
    char line[256];
    size_t len = size < sizeof line ? size : sizeof line - 1;

    int rc = dev_wish_read_json(&nodes, bytes_of(data, size), &wish, words);
    check(&nodes, rc, &wish, words);
    if (len > 0) {
        memcpy(line, data, len);
    }
    line[len] = '\0';
    words[0] = '\0';
    rc = dev_wish_read_line(&nodes, line, &wish, words);
    check(&nodes, rc, &wish, words);
    return 0;
}
