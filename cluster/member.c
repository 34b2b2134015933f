/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/member.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/hash.h"

static struct member_key key_of(const struct peer_node *node, uint16_t row);
static uint64_t name_print(struct bytes name);
static uint64_t addr_print(const struct addr *addr);
static int id_order(const struct node_id *a, const struct node_id *b);
static void count(struct member_table *table, const struct member *member,
                  int by);

int member_table_init(struct member_table *table, uint16_t living_max,
                      uint16_t dead_max)
{
    size_t rows = (size_t)living_max + dead_max;

    assert(rows <= MEMBER_ROWS_MAX);
    *table = (struct member_table){
        .rows = calloc(rows, sizeof *table->rows),
        .order = calloc(rows, sizeof *table->order),
        .free = calloc(rows, sizeof *table->free),
        .suspects = calloc(rows, sizeof *table->suspects),
        .living_max = living_max,
        .dead_max = dead_max,
        .free_len = (uint16_t)rows,
    };
    if (table->rows == NULL || table->order == NULL || table->free == NULL ||
        table->suspects == NULL) {
        member_table_fini(table);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < rows; i++) {
        table->free[i] = (uint16_t)(rows - 1 - i); /* row 0 goes first */
    }
    return 0;
}

void member_table_fini(struct member_table *table)
{
    free(table->rows);
    free(table->order);
    free(table->free);
    free(table->suspects);
    *table = (struct member_table){0};
}

static struct bytes text_keep(struct member *member, size_t *at,
                              struct bytes text)
{
    uint8_t *to = member->text + *at;

    if (text.len > 0) {
        memcpy(to, text.p, text.len);
    }
    *at += text.len;
    return bytes_of(to, text.len);
}

struct member *member_add(struct member_table *table,
                          const struct peer_node *node, uint32_t incarnation,
                          bool far, uint64_t now_ms)
{
    size_t at = 0;

    assert(gossip_node_is_valid(node));
    assert(member_find(table, &node->id) == NULL);
    if (table->living_len == table->living_max) {
        return NULL;
    }
    uint16_t row = table->free[--table->free_len];
    struct member *m = &table->rows[row];
    *m = (struct member){.node = *node,
                         .state = GOSSIP_ALIVE,
                         .incarnation = incarnation,
                         .row = row,
                         .far = far,
                         .changed_ms = now_ms};
    m->node.name = text_keep(m, &at, node->name);
    m->node.region = text_keep(m, &at, node->region);
    m->node.endpoint = text_keep(m, &at, node->endpoint);
    m->node.version = text_keep(m, &at, node->version);

    size_t place = member_after(table, &node->id);
    memmove(table->order + place + 1, table->order + place,
            (table->order_len - place) * sizeof *table->order);
    table->order[place] = key_of(&m->node, row);
    table->order_len++;
    count(table, m, 1);
    return m;
}

/* Before the count: suspects_len is still that of the list. */
static void list_suspect(struct member_table *table, struct member *member,
                         bool suspect)
{
    bool was = member->state == GOSSIP_SUSPECT;
    uint16_t len = (uint16_t)(table->suspects_len + was);

    if (was && !suspect) {
        uint16_t last = table->suspects[len - 1];
        table->suspects[member->suspect_at] = last;
        table->rows[last].suspect_at = member->suspect_at;
    } else if (!was && suspect) {
        table->suspects[len] = member->row;
        member->suspect_at = len;
    }
}

void member_move(struct member_table *table, struct member *member,
                 enum gossip_state state, uint32_t incarnation, uint64_t now_ms)
{
    assert(incarnation >= member->incarnation);
    assert(member->state != GOSSIP_LEFT);
    count(table, member, -1);
    list_suspect(table, member, state == GOSSIP_SUSPECT);
    if (member->state != state) {
        member->changed_ms = now_ms;
    }
    member->state = state;
    member->incarnation = incarnation;
    if (state != GOSSIP_SUSPECT) {
        member->accusers_len = 0;
        member->accusers_lost = 0;
    }
    count(table, member, 1);
}

/* Keeps the counts and the digest right: by 1 after, -1 before a change. */
static void count(struct member_table *table, const struct member *member,
                  int by)
{
    if (!member_is_living(member)) {
        return;
    }
    table->living_len = (uint16_t)(table->living_len + by);
    if (!member->far) {
        table->near_len = (uint16_t)(table->near_len + by);
    }
    if (member->state == GOSSIP_SUSPECT) {
        table->suspects_len = (uint16_t)(table->suspects_len + by);
    }
    member_digest_turn(table->parts, &member->node.id, member->incarnation);
}

struct member *member_surplus(const struct member_table *table)
{
    struct member *oldest = NULL;

    if (table->order_len - table->living_len <= table->dead_max) {
        return NULL;
    }
    for (size_t i = 0; i < table->order_len; i++) {
        struct member *m = member_at(table, i);
        if (!member_is_living(m) &&
            (oldest == NULL || m->changed_ms < oldest->changed_ms)) {
            oldest = m;
        }
    }
    return oldest;
}

void member_forget(struct member_table *table, struct member *member)
{
    size_t place = member_after(table, &member->node.id) - 1;

    assert(!member_is_living(member));
    assert(table->order[place].row == member->row);
    table->order_len--;
    memmove(table->order + place, table->order + place + 1,
            (table->order_len - place) * sizeof *table->order);
    table->free[table->free_len++] = member->row;
}

static struct member_key key_of(const struct peer_node *node, uint16_t row)
{
    return (struct member_key){.id = node_id_u64(&node->id),
                               .name = name_print(node->name),
                               .addr = addr_print(&node->cluster),
                               .row = row};
}

static uint64_t name_print(struct bytes name)
{
    uint64_t print = name.len;

    for (size_t i = 0; i < name.len; i++) {
        print = print * 31 + name.p[i];
    }
    return print;
}

static uint64_t addr_print(const struct addr *addr)
{
    return hash_mix(bytes_u64be(addr->ip) ^ addr->port) ^
           bytes_u64be(addr->ip + 8);
}

static int id_order(const struct node_id *a, const struct node_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

size_t member_after(const struct member_table *table, const struct node_id *id)
{
    uint64_t first = node_id_u64(id);
    size_t low = 0;
    size_t high = table->order_len;

    while (low < high) {
        size_t middle = (low + high) / 2;
        uint64_t at = table->order[middle].id;
        if (at < first ||
            (at == first &&
             id_order(&member_at(table, middle)->node.id, id) <= 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct member *member_find(const struct member_table *table,
                           const struct node_id *id)
{
    size_t place = member_after(table, id);

    if (place == 0) {
        return NULL;
    }
    struct member *m = member_at(table, place - 1);
    return node_id_eq(&m->node.id, id) ? m : NULL;
}

struct member *member_at(const struct member_table *table, size_t index)
{
    return index < table->order_len ? &table->rows[table->order[index].row]
                                    : NULL;
}

struct member *member_by_addr(const struct member_table *table,
                              const struct addr *addr,
                              const struct node_id *except)
{
    uint64_t print = addr_print(addr);

    for (size_t i = 0; i < table->order_len; i++) {
        if (table->order[i].addr != print) {
            continue;
        }
        struct member *m = member_at(table, i);
        if (member_is_living(m) && addr_eq(&m->node.cluster, addr) &&
            !node_id_eq(&m->node.id, except)) {
            return m;
        }
    }
    return NULL;
}

bool member_has_namesake(const struct member_table *table,
                         const struct member *member)
{
    uint64_t print = name_print(member->node.name);

    for (size_t i = 0; i < table->order_len; i++) {
        const struct member *m = member_at(table, i);
        if (table->order[i].name == print && m != member &&
            m->state == GOSSIP_ALIVE &&
            bytes_eq(m->node.name, member->node.name)) {
            return true;
        }
    }
    return false;
}

bool member_mark_duplicates(struct member_table *table, struct bytes name,
                            struct bytes self_name)
{
    size_t bearers = bytes_eq(name, self_name) ? 1 : 0;
    uint64_t print = name_print(name);

    for (size_t i = 0; i < table->order_len; i++) {
        if (table->order[i].name == print) {
            const struct member *m = member_at(table, i);
            bearers += member_is_living(m) && bytes_eq(m->node.name, name);
        }
    }
    for (size_t i = 0; i < table->order_len; i++) {
        struct member *m = member_at(table, i);
        if (table->order[i].name == print && bytes_eq(m->node.name, name)) {
            m->duplicate = member_is_living(m) && bearers > 1;
        }
    }
    return bearers > 1;
}

size_t member_part(const struct node_id *id)
{
    static_assert(GOSSIP_PARTS == 16, "four bits");
    return id->b[0] >> 4;
}

void member_digest_turn(uint64_t parts[GOSSIP_PARTS], const struct node_id *id,
                        uint32_t incarnation)
{
    uint64_t low = hash_mix(bytes_u64be(id->b + 8) ^ hash_mix(incarnation));

    parts[member_part(id)] ^= hash_mix(bytes_u64be(id->b) ^ low);
}

void member_table_check(const struct member_table *table,
                        const uint64_t parts[GOSSIP_PARTS])
{
    struct member_table again = {0};
    size_t rows = (size_t)table->living_max + table->dead_max;

    assert(table->order_len + table->free_len == rows);
    assert(table->living_len <= table->living_max);
    assert(table->order_len - table->living_len <= table->dead_max);
    for (size_t i = 0; i < table->order_len; i++) {
        const struct member *m = member_at(table, i);
        struct member_key key = key_of(&m->node, m->row);
        assert(key.row == table->order[i].row);
        assert(key.id == table->order[i].id);
        assert(key.name == table->order[i].name);
        assert(key.addr == table->order[i].addr);
        assert(i == 0 ||
               id_order(&member_at(table, i - 1)->node.id, &m->node.id) < 0);
        assert(gossip_node_is_valid(&m->node));
        assert((m->state == GOSSIP_SUSPECT) == (m->accusers_len > 0));
        assert(m->accusers_len <= MEMBER_ACCUSERS_MAX);
        assert(m->state != GOSSIP_SUSPECT ||
               table->suspects[m->suspect_at] == m->row);
        count(&again, m, 1);
    }
    assert(again.living_len == table->living_len);
    assert(again.near_len == table->near_len);
    assert(again.suspects_len == table->suspects_len);
    assert(memcmp(again.parts, parts, sizeof again.parts) == 0);
}
