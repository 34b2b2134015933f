/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/happened.h"

#include "node/core.h"
#include "node/mesh/calls.h"
#include "proto/rows.h"

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct core *core = data;
    const struct event_frame frame = {.node = bytes_str(core->name),
                                      .id = core->node_u64};
    struct rows_page page = {.node = core->node_u64};
    struct buf text = {0};
    const struct event *event;

    if (rows_question_read(body, &page.question) != 0) {
        return false;
    }
    for (uint64_t number = core->events.made;
         number > 0 && core->events.made - number < EVENTS_KEPT; number--) {
        event = events_at(&core->events, number);
        if (event == NULL) {
            continue; /* memory was short */
        }
        struct row row = {.key = ~event->at_ms, .id = ~number};
        if (!rows_page_wants(&page, &row)) {
            continue;
        }
        buf_reset(&text);
        event_write(event, &frame, &text);
        row.text = buf_bytes(&text);
        if (text.failed || !rows_page_add(&page, &row)) {
            break;
        }
    }
    rows_page_write(&page, out);
    out->failed = out->failed || text.failed;
    rows_page_fini(&page);
    buf_fini(&text);
    return true;
}

void happened_serve(struct core *core)
{
    calls_serve(core->calls, CALL_EVENTS, answer, core);
}
