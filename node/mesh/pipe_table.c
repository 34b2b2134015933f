/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/pipe_table.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

int pipe_table_init(struct pipe_table *table)
{
    *table = (struct pipe_table){0};
    table->entries = calloc(PIPES_MAX, sizeof *table->entries);
    return table->entries == NULL ? ERR_NOMEM : 0;
}

void pipe_table_fini(struct pipe_table *table)
{
    free(table->entries);
    *table = (struct pipe_table){0};
}

bool pipe_table_admit(struct pipe_table *table, uint32_t pipe,
                      const uint8_t ip[16], size_t peers_here)
{
    size_t place = table->len;
    size_t here = 0;
    size_t strangers = 0;

    for (size_t i = table->len; i-- > 0;) {
        const struct pipe_entry *entry = &table->entries[i];
        if (entry->pipe == 0) {
            place = i;
            continue;
        }
        if (!entry->trusted) {
            here += memcmp(entry->ip, ip, sizeof entry->ip) == 0;
            strangers += !entry->known;
        }
    }
    if (place == PIPES_MAX || here >= PIPES_PER_IP * (1 + peers_here) ||
        (peers_here == 0 && strangers >= PIPES_STRANGERS_MAX)) {
        table->refused++;
        return false;
    }
    struct pipe_entry *entry = &table->entries[place];
    *entry = (struct pipe_entry){.pipe = pipe, .known = peers_here > 0};
    memcpy(entry->ip, ip, sizeof entry->ip);
    if (place == table->len) {
        table->len++;
    }
    return true;
}

void pipe_table_trust(struct pipe_table *table, uint32_t pipe)
{
    for (size_t i = 0; i < table->len; i++) {
        if (table->entries[i].pipe == pipe) {
            table->entries[i].trusted = true;
            break;
        }
    }
}

void pipe_table_remove(struct pipe_table *table, uint32_t pipe)
{
    for (size_t i = 0; i < table->len; i++) {
        if (table->entries[i].pipe == pipe) {
            table->entries[i].pipe = 0;
            break;
        }
    }
    while (table->len > 0 && table->entries[table->len - 1].pipe == 0) {
        table->len--;
    }
}
