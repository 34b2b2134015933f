/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/events.h"

#include <stdlib.h>

#include "proto/json.h"
#include "proto/topic.h"

void events_fini(struct events *events)
{
    for (size_t i = 0; events->ring != NULL && i < EVENTS_KEPT; i++) {
        free(events->ring[i]);
    }
    free(events->ring);
    *events = (struct events){0};
}

/* The text, up to the last whole character that fits. */
static struct bytes cut(struct bytes text)
{
    if (text.len > EVENT_TEXT_MAX) {
        text.len = EVENT_TEXT_MAX;
        while (text.len > 0 && !topic_text_is_valid(text)) {
            text.len--;
        }
    }
    return text;
}

void events_take(void *data, const struct log_event *from)
{
    struct events *events = data;
    struct bytes text = cut(from->text);
    struct event *event = malloc(sizeof *event + text.len);

    if (events->ring == NULL) {
        events->ring = calloc(EVENTS_KEPT, sizeof(struct event *));
    }
    if (event == NULL || events->ring == NULL) {
        free(event);
        return;
    }
    *event = (struct event){
        .number = ++events->made,
        .at_ms = from->at_ms,
        .level = from->level,
        .len = text.len,
    };
    strncpy(event->name, from->name, sizeof event->name - 1);
    if (text.len > 0) {
        memcpy(event->text, text.p, text.len);
    }
    struct event **place = &events->ring[event->number % EVENTS_KEPT];
    free(*place);
    *place = event;
    if (events->on_event != NULL) {
        events->on_event(events->data);
    }
}

const struct event *events_at(const struct events *events, uint64_t number)
{
    const struct event *event = events->ring == NULL
                                    ? NULL
                                    : events->ring[number % EVENTS_KEPT];

    return event != NULL && event->number == number ? event : NULL;
}

static void add_text(struct buf *out, const char *name, struct bytes text)
{
    json_add_name(out, true, name);
    json_add_string(out, topic_text_is_valid(text) ? text : BYTES("?"));
}

void event_write(const struct event *event, const struct event_frame *frame,
                 struct buf *out)
{
    uint8_t id[8];

    bytes_put_u64be(id, frame->id);
    buf_add_str(out, "{\"at\":");
    buf_add_u64(out, event->at_ms);
    add_text(out, "level", bytes_str(log_level_name(event->level)));
    add_text(out, "event", bytes_str(event->name));
    add_text(out, "node", frame->node);
    json_add_name(out, true, "id");
    buf_add_u8(out, '"');
    buf_add_hex(out, id, sizeof id);
    buf_add_u8(out, '"');
    if (frame->suppressed > 0) {
        json_add_name(out, true, "suppressed");
        buf_add_u64(out, frame->suppressed);
    }
    add_text(out, "text", bytes_of(event->text, event->len));
    buf_add_u8(out, '}');
}
