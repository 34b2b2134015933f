/* SPDX-License-Identifier: Apache-2.0
 *
 * The native protocol (proto/native.h) and the topics of the cache `_sys`, as
 * tables: messages, what is in them, and what that is.
 */
#include <assert.h>
#include <string.h>

#include "node/door/documents.h"
#include "node/door/door.h"
#include "proto/native.h"

struct message {
    const char *name; /* the op */
    const char *summary;
    const char *required; /* names between blanks, without `op` */
    const char *optional;
};

struct field {
    const char *name;
    const char *type; /* of JSON Schema */
    const char *what;
};

static const char attributes[] =
    "text data event item_id content_type reply_to correlation expiry_ms "
    "retry_ms";

static const struct message said[] = {
    {"subscribe", "Wants the items of a topic from now on, or from a position",
     "id cache topic", "page seq echo barrier"},
    {"unsubscribe", "Wants no more of them", "id cache topic", ""},
    {"publish", "An item", "cache topic", attributes},
    {"auth", "Logs in, or brings a fresh token", "token", "id"},
    {"ping", "For browsers, which have no ping of their own", "", "id"},
};

static_assert(ARRAY_LEN(said) == NATIVE_PING + 1, "every op is here");

static const struct message heard[] = {
    {"welcome", "The first message", "node region origin ready", ""},
    {"subscribed", "The subscription holds",
     "id cache topic page seq resumed partial", ""},
    {"unsubscribed", "Nothing of it comes any more", "id cache topic", ""},
    {"item", "An item of a subscription", "cache topic page seq origin at",
     attributes},
    {"gap", "Items after last up to next may be missing",
     "cache topic page last next", ""},
    {"published", "The item is on its way", "id subscriptions nodes partial",
     ""},
    {"ended", "The subscription ended by itself",
     "cache topic code error message", ""},
    {"authenticated", "The token is taken", "", "id"},
    {"pong", "The answer to a ping", "", "id"},
    {"move", "Go on at that node; only to who connected with moves=true",
     "endpoint", ""},
    {"error", "A command was refused; the connection stays",
     "code error message", "id"},
};

static const struct message system_topics[] = {
    {"stats", "What a node did, each second while somebody is subscribed",
     "v id name region endpoint version at uptime_ms every_ms ready draining "
     "why clients conns subscriptions topics doors in out peer_in peer_out "
     "dropped refused denied gaps opened closed cpu_permille rss loop_lag_ms "
     "queue memory memory_limit links hot latency slow",
     "links_len"},
    {"events", "A line of a node's log, info or worse",
     "at level event node id text", "suppressed"},
};

static const struct field fields[] = {
    {"id", "integer", "chosen by the client, repeated in the answer"},
    {"cache", "string", "a cache: 1 to 64 characters of A-Za-z0-9._-"},
    {"topic", "string", "a topic: 1 to 512 bytes, no control characters"},
    {"text", "string", "the value, if it is text"},
    {"data", "string", "the value in base64, if it is not"},
    {"event", "string", "name of the event"},
    {"item_id", "string", "the publisher's own id"},
    {"content_type", "string", "of the value"},
    {"reply_to", "string", "topic for an answer"},
    {"correlation", "string", "which answer it is"},
    {"expiry_ms", "integer", "after which it is worth nothing"},
    {"retry_ms", "integer", "when a reader should come back"},
    {"receipt", "boolean", "answer with published"},
    {"echo", "boolean", "false: not what this connection publishes"},
    {"barrier", "string", "region or all: who must know of it first"},
    {"page", "integer", "of a position"},
    {"seq", "integer", "of a position"},
    {"resumed", "boolean", "what was missed follows"},
    {"partial", "boolean", "not all nodes confirmed, or have a link"},
    {"origin", "string", "the node where it was published, 16 hex digits"},
    {"at", "integer", "wall clock of that node, ms since 1970"},
    {"publisher", "string", "subject of the publisher's token"},
    {"last", "integer", "the last sequence before the gap; 0: unknown"},
    {"next", "integer", "the next one can be this + 1"},
    {"subscriptions", "integer", "how many, on this node"},
    {"nodes", "integer", "other nodes it was sent to"},
    {"token", "string", "a token, in any of its forms"},
    {"node", "string", "name of the node"},
    {"region", "string", "its region"},
    {"ready", "boolean", "it takes publishes"},
    {"code", "integer", "of the error, as over HTTP"},
    {"error", "string", "its name"},
    {"endpoint", "string", "URL of a node, for clients"},
    {"message", "string", "for people"},
};

/* Where `_sys` means another thing by a name, or has it alone. */
static const struct field system_fields[] = {
    {"id", "string", "of the node, 16 hex digits"},
    {"event", "string", "name of the event, stable"},
    {"text", "string", "the rest of the line"},
    {"draining", "boolean", "it ends"},
    {"level", "string", "error, warn or info"},
    {"name", "string", "of the node"},
    {"version", "string", "of the program"},
    {"why", "string", "it is not ready"},
    {"links", "array", "what goes to each other node"},
    {"hot", "array", "its topics of most items"},
    {"slow", "array", "clients with most output waiting"},
    {"doors", "object", "clients by protocol"},
    {"in", "object", "items and bytes from clients"},
    {"out", "object", "items and bytes to clients"},
    {"peer_in", "object", "items and bytes from other nodes"},
    {"peer_out", "object", "items and bytes to other nodes"},
    {"dropped", "object", "items lost to slow readers and full links"},
    {"latency", "object", "items by age when written, in buckets"},
};

/* --- fields --- */

static const struct field *find(const struct field *rows, size_t len,
                                const char *name, size_t name_len)
{
    for (size_t i = 0; i < len; i++) {
        if (strlen(rows[i].name) == name_len &&
            memcmp(rows[i].name, name, name_len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Most of what _sys says are numbers whose names say all. */
static json_t *schema_of(const char *name, size_t len, bool of_system)
{
    static const struct field number = {NULL, "integer", ""};
    const struct field *f = NULL;

    if (of_system) {
        f = find(system_fields, ARRAY_LEN(system_fields), name, len);
    }
    if (f == NULL) {
        f = find(fields, ARRAY_LEN(fields), name, len);
    }
    f = f == NULL ? &number : f;
    return json_pack("{s:s, s:s}", "type", f->type, "description", f->what);
}

static void add_fields(bool *failed, json_t *schema, const char *names,
                       bool required, bool of_system)
{
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        json_t *list = json_object_get(schema, "required");
        if (json_object_setn_new(json_object_get(schema, "properties"), names,
                                 len, schema_of(names, len, of_system)) != 0) {
            *failed = true;
        }
        if (required) {
            document_add(failed, list, json_stringn(names, len));
        }
        names += len + (names[len] == ' ');
    }
}

/* --- messages, channels, operations --- */

static json_t *message_of(bool *failed, const struct message *m, bool of_system)
{
    json_t *schema = json_pack("{s:s, s:[], s:{}}", "type", "object",
                               "required", "properties");

    if (!of_system) {
        document_set(failed, json_object_get(schema, "properties"), "op",
                     json_pack("{s:s}", "const", m->name));
        document_add(failed, json_object_get(schema, "required"),
                     json_string("op"));
    }
    add_fields(failed, schema, m->required, true, of_system);
    add_fields(failed, schema, m->optional, false, of_system);
    if (strcmp(m->name, "publish") == 0) {
        add_fields(failed, schema, "id receipt", false, of_system);
    }
    if (strcmp(m->name, "item") == 0) {
        add_fields(failed, schema, "publisher", false, of_system);
    }
    return json_pack("{s:s, s:s, s:o}", "name", m->name, "summary", m->summary,
                     "payload", schema);
}

static json_t *reference(const char *before, const char *name)
{
    return json_pack("{s:s+}", "$ref", before, name);
}

/* Puts messages into the components, the channel and the operation. */
static void add_messages(bool *failed, json_t *root, const char *channel,
                         const struct message *rows, size_t len,
                         json_t *operation)
{
    json_t *all = json_object_get(json_object_get(root, "components"),
                                  "messages");
    json_t *of_channel = json_object_get(
        json_object_get(json_object_get(root, "channels"), channel),
        "messages");
    bool of_system = strcmp(channel, "native") != 0;

    for (size_t i = 0; i < len; i++) {
        document_set(failed, all, rows[i].name,
                     message_of(failed, &rows[i], of_system));
        document_set(failed, of_channel, rows[i].name,
                     reference("#/components/messages/", rows[i].name));
        document_add(failed, json_object_get(operation, "messages"),
                     json_pack("{s:s+++}", "$ref", "#/channels/", channel,
                               "/messages/", rows[i].name));
    }
}

/* What the node receives, or sends. */
static json_t *add_operation(bool *failed, json_t *root, const char *name,
                             const char *action, const char *channel)
{
    json_t *operation = json_pack("{s:s, s:o, s:[]}", "action", action,
                                  "channel", reference("#/channels/", channel),
                                  "messages");

    document_set(failed, json_object_get(root, "operations"), name, operation);
    return operation;
}

static void add_system(bool *failed, json_t *root, const struct message *m)
{
    document_set(
        failed, json_object_get(root, "channels"), m->name,
        json_pack("{s:s+, s:s, s:{}}", "address", "_sys/", m->name,
                  "description",
                  "a topic of the cache _sys, for any door; needs the scope "
                  "admin:read",
                  "messages"));
    add_messages(failed, root, m->name, m, 1,
                 add_operation(failed, root, m->name, "send", m->name));
}

json_t *asyncapi_document(void)
{
    bool failed = false;
    json_t *root = json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s}}, s:s, s:{s:{s:s, s:s, s:{}, "
        "s:{s:{s:s}}}}, s:{}, s:{s:{}}}",
        "asyncapi", "3.0.0", "info", "title", "Starling", "version",
        STARLING_VERSION, "description",
        "The native protocol in its JSON form, subprotocol starling.v1.json, "
        "and what the cluster says of itself in the cache _sys.",
        "license", "name", "Apache-2.0", "defaultContentType",
        "application/json", "channels", "native", "address", door_native.path,
        "description", "one message in each WebSocket message", "messages",
        "bindings", "ws", "method", "GET", "operations", "components",
        "messages");

    add_messages(&failed, root, "native", said, ARRAY_LEN(said),
                 add_operation(&failed, root, "commands", "receive", "native"));
    add_messages(&failed, root, "native", heard, ARRAY_LEN(heard),
                 add_operation(&failed, root, "answers", "send", "native"));
    for (size_t i = 0; i < ARRAY_LEN(system_topics); i++) {
        add_system(&failed, root, &system_topics[i]);
    }
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return root;
}
