/* SPDX-License-Identifier: Apache-2.0
 *
 * A door: one client protocol. THE table of doors is in door.c; a new protocol
 * is a pair of files in proto/, one file here and a line there.
 *
 * Three shapes:
 *   byte     owns the bytes of a connection            RESP (MQTT later)
 *   request  answers HTTP requests, or streams          topics, SSE, /v1
 *   message  lives in WebSocket messages                native (Pusher later)
 *
 * A door gets slices, answers with the verbs of client.h and reads the time
 * from client->core->now_ms. It includes no uv.h, so each door runs in a test
 * against a real hub, a fake conn and a virtual clock (tests/node_door_*.c).
 */
#ifndef NODE_DOOR_DOOR_H
#define NODE_DOOR_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/route.h"
#include "node/hub/hub.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/http.h"

enum door_shape {
    DOOR_BYTE,
    DOOR_REQUEST,
    DOOR_MESSAGE
};

enum door_sniff {
    SNIFF_NO,
    SNIFF_MORE,
    SNIFF_YES
};

struct door {
    const char *name; /* in logs and metrics: "resp" */
    enum door_shape shape;
    enum stats_door counted; /* as which its clients are */
    bool tells_gaps;         /* its stream can carry a discontinuity */
    bool resumable;          /* its topics keep a ring */
    size_t state_len;        /* of client->state */

    /* Byte doors: whether a connection starts with these bytes (1..64). */
    enum door_sniff (*sniff)(struct bytes first);
    /* Request doors: the paths and methods that are its own, and, if several
     * doors share one, whether this request is for it; in table order. One
     * without rows is asked alone. */
    const struct route *routes;
    bool (*takes)(const struct http_request *request);
    /* Message doors: subprotocols, NULL-ended, and the path ("/v1/ws"). The
     * version of the variant is the index of the chosen subprotocol. */
    const char *const *subprotocols;
    const char *path;
    bool (*subprotocol_is_binary)(size_t index);

    /* A client comes in. request: the one that chose the door (request and
     * message doors), NULL for byte doors. `version`: subprotocol index. */
    int (*open)(struct client *client, const struct http_request *request,
                size_t version);
    /* Bytes: how many were taken, 0 = more needed, < 0 = close (say_error). */
    ptrdiff_t (*on_bytes)(struct client *client, struct bytes in);
    /* Requests. < 0: answered with that error by the carrier. */
    int (*on_request)(struct client *client,
                      const struct http_request *request);
    /* Says in the door's own words why a request that it takes is refused,
     * maybe before the client was given to it. false, or no such verb: the
     * words of all (request_error()). */
    bool (*refuse)(struct client *client, const struct http_request *request,
                   int err);
    /* Messages. < 0: close (say_error). */
    int (*on_message)(struct client *client, struct bytes message, bool binary);
    void (*on_deadline)(struct client *client);
    /* Writes the acknowledgement of the subscribe that waited as `tag`: for a
     * message door one message without the carrier's frame (client.c frames
     * it), for others the very bytes. Nothing written = nothing sent. */
    void (*on_barrier)(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack);
    /* A subscription ends by expiry or lost rights, not by the client. It is
     * removed after the call, not by it. */
    void (*on_ended)(struct client *client, struct sub *sub, int err);
    /* Asks a client that said it can (client->movable) to go on at another
     * node, whose URL this is. It goes by itself, or stays. NULL: none can. */
    void (*move)(struct client *client, struct bytes endpoint);
    /* The door's own words before the carrier closes; err is never 0. */
    void (*say_error)(struct client *client, int err);
    void (*on_close)(struct client *client); /* free what state points to */

    /* Doors that answer with their items instead of streaming them (long-poll):
     * takes every run that client_deliver() would have queued: fan, replay and
     * discontinuity (seq and items 0). `seq` is that of the first item. The hub
     * is settling: only keep a copy, set a deadline. NULL: queued as usual. */
    void (*on_items)(struct client *client, struct bytes frames, uint64_t seq,
                     uint64_t items);

    /* One item, or one discontinuity, as bytes of this variant, without the
     * carrier's frame. Must not depend on the client. */
    void (*render)(const struct rendering *what, struct buf *out);
    void (*render_gap)(const struct hub_gap *gap, struct buf *out);
};

extern const struct door door_resp;
extern const struct door door_native;
extern const struct door door_publish; /* POST /topics/... */
extern const struct door door_poll;    /* GET  /topics/..., long-poll */
extern const struct door door_sse;     /* GET  /topics/..., event stream */
extern const struct door door_status;  /* /v1, /livez, /readyz, /metrics */
/* Other workers of this process have shown something, or ask. */
void status_on_board(struct core *core);
extern const struct door door_admin;     /* /v1/admin/... but for the next */
extern const struct door door_tap;       /* /v1/admin/tap */
extern const struct door door_keys;      /* /v1/admin/keys */
extern const struct door door_reload;    /* /v1/admin/reload */
extern const struct door door_tokens;    /* /v1/tokens */
extern const struct door door_trace;     /* /v1/admin/trace */
extern const struct door door_rebalance; /* /v1/admin/rebalance */
extern const struct door door_usage;     /* /v1/usage */
extern const struct door door_caches;    /* /v1/caches */
extern const struct door door_dev;       /* /v1/dev */
extern const struct door door_qr;        /* /v1/qr */
extern const struct door door_report;    /* /v1/admin/report */
extern const struct door door_console;   /* /console, /starling.js */
extern const struct door door_documents; /* /openapi.json ... */
extern const struct door door_grpc;      /* gRPC and gRPC-web */

/* The door of a byte connection. SNIFF_MORE: *door is NULL, read on. */
enum door_sniff door_for_bytes(struct bytes first, const struct door **door);
/* The door of a request, or NULL: nobody has its path with its method. */
const struct door *door_for_request(const struct http_request *request);
/* Appends the methods that its path has, as Allow lists them; nothing: there is
 * no such path. */
void door_add_methods(const struct http_request *request, struct buf *out);
/* By index 0..; NULL past the end. */
const struct door *door_at(size_t i);
/* The door of a WebSocket: by path, then by the first offered subprotocol that
 * it knows; offering none takes the first of the path's door. NULL: no such
 * path. *version = index, or -1 when no offered subprotocol is known. */
const struct door *door_for_upgrade(const struct http_request *request,
                                    ptrdiff_t *version);

#endif
