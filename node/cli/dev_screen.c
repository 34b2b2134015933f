/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_screen.h"

#include <inttypes.h>
#include <stdio.h>

void dev_screen_nodes(const struct dev_nodes *nodes)
{
    const char *comma = "";

    puts("\n  node  region    endpoint                  process");
    for (size_t i = 0; i < nodes->len; i++) {
        const struct dev_node *n = &nodes->node[i];
        printf("  %-5s %-9s %-25s ", n->name, dev_region(nodes, i),
               n->url_text);
        if (n->pid > 0) {
            printf("%d\n", (int)n->pid);
        } else {
            puts("does not run");
        }
    }
    if (nodes->wan_ms > 0) {
        printf("\n  regions are %" PRIu32 " ms apart\n", nodes->wan_ms);
    }
    for (size_t a = 0; a < nodes->regions_len; a++) {
        for (size_t b = a + 1; b < nodes->regions_len; b++) {
            if (nodes->cut[a][b]) {
                printf("%s%s and %s",
                       comma[0] == '\0' ? "\n  cut off: " : comma,
                       nodes->regions[a], nodes->regions[b]);
                comma = ", ";
            }
        }
    }
    puts(comma[0] == '\0' ? "" : "\n");
    (void)fflush(stdout);
}

void dev_screen_ready(const struct dev_nodes *nodes,
                      const struct dev_crossing *crossing, uint64_t took_ms)
{
    size_t members = nodes->len * nodes->workers;

    printf("  ready in %" PRIu64 ".%02" PRIu64 " s, links %zu/%zu up\n",
           took_ms / 1000, took_ms % 1000 / 10, members * (members - 1),
           members * (members - 1));
    printf("  an item crossed: published on %s (%s), arrived on %s (%s) after "
           "%" PRIu64 ".%02" PRIu64 " ms\n\n",
           nodes->node[crossing->from].name, dev_region(nodes, crossing->from),
           nodes->node[crossing->to].name, dev_region(nodes, crossing->to),
           crossing->us / 1000, crossing->us % 1000 / 10);
}

void dev_screen_try(const struct dev_nodes *nodes, const char *program)
{
    const struct dev_node *first = &nodes->node[0];
    const struct dev_node *other = &nodes->node[nodes->len > 1 ? 1 : 0];
    const struct dev_node *last = &nodes->node[nodes->len - 1];

    printf("  console     %s/console\n\n"
           "  curl        curl -N -H 'Accept: text/event-stream' "
           "%s/topics/demo/chat\n"
           "              curl -d hello %s/topics/demo/chat\n"
           "  redis-cli   redis-cli -p %u --user demo --pass x subscribe chat\n"
           "  a page      import { connect } from '%s/starling.js'\n"
           "  starling    %s cluster --url %s\n"
           "              %s sub demo chat --url %s\n\n",
           first->url_text, first->url_text, other->url_text,
           (unsigned)last->port, first->url_text, program, first->url_text,
           program, last->url_text);
}

void dev_screen_keys(void)
{
    puts("  type k 2   kills n2, as a crash would     r 2   starts it again\n"
         "       p eu us  cuts two regions off         h     heals that\n"
         "       w 80  puts 80 ms between regions      s     shows how things "
         "are\n"
         "       ?     this list                       q     ends all, as "
         "Ctrl-C\n");
    (void)fflush(stdout);
}
