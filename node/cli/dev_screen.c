/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/dev_screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/qr.h"

/* --- how things are --- */

static void print_cuts(const struct dev_nodes *nodes)
{
    const char *before = "\n  cut off from each other: ";
    bool any = false;

    for (size_t a = 0; a < nodes->regions_len; a++) {
        for (size_t b = a + 1; b < nodes->regions_len; b++) {
            if (nodes->cut[a][b]) {
                printf("%s%s and %s", any ? ", " : before, nodes->regions[a],
                       nodes->regions[b]);
                any = true;
            }
        }
    }
    puts(any ? "\n" : "");
}

void dev_screen_nodes(const struct dev_nodes *nodes)
{
    puts("\n  node  region    endpoint                  process");
    for (size_t i = 0; i < nodes->len; i++) {
        const struct dev_node *n = &nodes->node[i];
        printf("  %-5s %-9s %-25s ", n->name, dev_region(nodes, i),
               n->url_text);
        if (n->pid > 0) {
            printf("%d\n", (int)n->pid);
        } else {
            printf("does not run; r %zu starts it\n", i + 1);
        }
    }
    if (nodes->wan_ms > 0) {
        printf("\n  regions are %" PRIu32 " ms apart\n", nodes->wan_ms);
    }
    print_cuts(nodes);
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

/* --- what to try --- */

static bool has_colours(void)
{
    return isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}

/* The one line to begin with. */
static void print_console(const char *url, const struct dev_lan *lan)
{
    bool bold = has_colours();

    printf("  console      %s%s/console%s%s%s\n", bold ? "\033[1m" : "", url,
           lan != NULL ? "#t=" : "",
           lan != NULL ? (const char *)lan->presenter.p : "",
           bold ? "\033[0m" : "");
}

static void try_without_keys(const struct dev_nodes *nodes)
{
    const struct dev_node *first = &nodes->node[0];
    const struct dev_node *other = &nodes->node[nodes->len > 1 ? 1 : 0];
    const struct dev_node *last = &nodes->node[nodes->len - 1];

    printf("  curl         curl -N -H 'Accept: text/event-stream' "
           "%s/topics/demo/chat\n"
           "               curl -d hello %s/topics/demo/chat\n"
           "  redis-cli    redis-cli -p %u --user demo --pass x subscribe "
           "chat\n",
           first->url_text, other->url_text, (unsigned)last->port);
}

/* The token is in one place only. */
static void try_with_keys(const struct dev_nodes *nodes,
                          const struct dev_lan *lan)
{
    const struct dev_node *first = &nodes->node[0];
    const struct dev_node *other = &nodes->node[nodes->len > 1 ? 1 : 0];
    const struct dev_node *last = &nodes->node[nodes->len - 1];

    printf("  token        export STARLING_TOKEN=%s\n"
           "  curl         curl -N -H \"Authorization: $STARLING_TOKEN\" -H "
           "'Accept: text/event-stream' %s/topics/demo/chat\n"
           "               curl -d hello -H \"Authorization: $STARLING_TOKEN\" "
           "%s/topics/demo/chat\n"
           "  redis-cli    redis-cli -h %s -p %u --user demo --pass "
           "\"$STARLING_TOKEN\" subscribe chat\n",
           (const char *)lan->guest.p, first->url_text, other->url_text,
           nodes->host, (unsigned)last->port);
}

/* For a phone. */
static void print_code(const char *url, const struct dev_lan *lan)
{
    struct buf text = {0};
    struct buf code = {0};

    buf_add_str(&text, url);
    buf_add_str(&text, "/console#t=");
    buf_add_str(&text, (const char *)lan->guest.p);
    if (!text.failed &&
        qr_blocks(buf_bytes(&text), has_colours(), &code) == 0) {
        puts("  a phone in this network joins by this code: it may publish, "
             "subscribe and look, for an hour.\n"
             "  Plain HTTP: who listens in this network reads along.\n");
        (void)fwrite(code.p, 1, code.len, stdout);
        puts("");
    }
    buf_fini(&code);
    buf_fini(&text);
}

void dev_screen_try(const struct dev_nodes *nodes, const struct dev_lan *lan,
                    const char *program)
{
    const char *url = nodes->node[0].url_text;
    const char *last = nodes->node[nodes->len - 1].url_text;

    if (lan == NULL) {
        print_console(url, NULL);
        puts("");
        try_without_keys(nodes);
    } else {
        print_code(url, lan);
        print_console(url, lan);
        puts("");
        try_with_keys(nodes, lan);
    }
    printf("  starling.js  import { connect } from '%s/starling.js'\n"
           "  starling     %s sub demo chat --url %s\n"
           "               %s cluster --url %s\n\n",
           url, program, last, program, url);
}

void dev_screen_keys(const struct dev_nodes *nodes)
{
    printf("  type         k %zu      kills n%zu, as a crash would\n"
           "               r %zu      starts it again\n",
           nodes->len, nodes->len, nodes->len);
    if (nodes->regions_len > 1) {
        printf("               p %s %s  cuts these regions off from each "
               "other\n"
               "               h        heals that\n"
               "               w 80     puts 80 ms between regions\n",
               nodes->regions[0], nodes->regions[1]);
    }
    puts("               s        shows how things are; ? lists this; q ends "
         "all of it, as Ctrl-C does\n");
    (void)fflush(stdout);
}
