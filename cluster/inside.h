/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files behind cluster/cluster.h share: the machine itself and one
 * peer of it. Nobody else includes this.
 *
 *   cluster.c  the facade: news in, effects out
 *   slots.c    peers and their slots, questions about members
 *   link.c     pipes, hellos, linked or not
 *   loss.c     what is lost, and who is told of it
 *   moves.c    another ingress: fences, held lanes
 *   through.c  what was relayed has arrived
 *   sync.c     the own log to peers, theirs to us, acknowledgements
 *   opening.c  when the gate opens
 *   process.c  the other nodes of our process
 *   registers.c  values that all nodes hold
 */
#ifndef CLUSTER_INSIDE_H
#define CLUSTER_INSIDE_H

#include "cluster/barrier.h"
#include "cluster/cluster.h"
#include "cluster/fence.h"
#include "cluster/gate.h"
#include "cluster/interest.h"
#include "cluster/outbox.h"
#include "cluster/registers.h"
#include "cluster/replog.h"
#include "cluster/route.h"
#include "cluster/swim.h"

enum {
    TICK_MS = 100,
    HELLO_MS = 1000,       /* between hellos to a peer, with few links ... */
    HELLO_EACH_MS = 100,   /* ... and for each link: ten a second ... */
    HELLO_MOST_MS = 60000, /* ... or more of them, and where ... */
    HELLO_USED_MS = 4000,  /* ... we have sent something since the last one */
    LINK_SILENT_MS = 4000, /* three hellos missed: the way is broken */
    ACK_MS = 2000,         /* a peer should have said what it heard, at most */
    LINK_LATE_MS = 10000,  /* a living node of the region without a link */
    LATE_GAP_MS = 30000,   /* as long as it is: a discontinuity each time */
    ANSWER_MS = 3000,      /* the same when one that asks is not answered */
    LANE_STILL_MS = 4000,  /* no batch acknowledged: the data lane is broken */
    REDIAL_MS = 5000,      /* a pipe that stands but confirms nothing */
    LACKING_MS = 3000,     /* an ingress that lacks some, and another not */
    HOLD_MS = 1000,        /* lanes, for an ingress that drains */
    ROUND_MS = 1000,       /* between two rounds of through.c */
    PULL_AGAIN_MS = 1000,  /* without progress */
    ASK_FIRST_MS = 50,     /* before any is asked whom it counts in */
    ASK_MEMBERS_MS = 1000, /* between questions whom a peer counts in ... */
    ASK_MEMBERS_MAX = 32,  /* ... and peers that are asked at once */
    WINDOW_PARTS = 32,     /* of a snapshot, sent and not asked for again */
    STEP_PARTS = 8,        /* of all snapshots in one step */
    FORGET_MAX = 64,       /* registers in one tick */
    ROWS_MAX = CLUSTER_PEERS_MAX + SWIM_DEAD_MAX,
};

/* In a PULL: nothing whole is held, a delta will not do. */
static const uint64_t VERSION_NONE = UINT64_MAX;

struct peer {
    struct node_id id;
    uint16_t row;   /* in membership */
    bool near;      /* of the own region */
    bool open_due;  /* CLUSTER_PEER_OPEN not yet taken */
    bool close_due; /* gone; free once CLUSTER_PEER_CLOSE is taken */

    /* link.c */
    bool pipe;            /* our way there stands */
    uint64_t epoch;       /* of that pipe */
    uint64_t heard_epoch; /* newest of its that reached us, 0 none */
    uint64_t heard_ms;    /* when anything did */
    bool confirmed;       /* its hello named our epoch */
    bool refused;         /* another hash key */
    bool hosted;          /* its process is known, and has others */
    bool wrong;           /* sent what makes no sense; told once */
    bool linked;
    bool was_linked;
    bool late;            /* alive and near, and not linked for too long */
    uint64_t unlinked_ms; /* since when */
    uint64_t late_gap_ms; /* when all subscribers are told (again) */
    bool ready;           /* said it */
    bool draining;        /* said it */
    bool hello_due;
    bool hello_asks;       /* that one is to be answered at once */
    bool tell_members;     /* it was asked for, by a joining peer */
    uint64_t hello_ms;     /* the last one sent */
    uint64_t hello;        /* its number */
    uint32_t again_ms;     /* what it promised */
    uint64_t hello_heard;  /* what it acknowledged */
    uint64_t hello_sent;   /* what we had sent before it */
    uint32_t its_again_ms; /* what the peer promised */
    uint64_t heard_hello;  /* the newest of its */
    uint64_t asked_hello;  /* one of ours that asked ... */
    uint64_t asked_ms;     /* ... and when, until answered; 0: none */
    uint64_t proof_hello;  /* unanswered: linked again only after this one */
    uint64_t doubt_ms;     /* our pipe stands, but nothing confirms it, since */
    bool redial_due;       /* CLUSTER_REDIAL */

    /* loss.c */
    uint64_t sent;       /* CLUSTER_NUMBERS */
    uint64_t heard;      /* likewise */
    bool closed;         /* likewise */
    bool ended;          /* likewise: its tail is here */
    uint64_t sent_acked; /* it said that it has these of ours */
    uint64_t still_ms;   /* no such word since */
    bool flows;          /* likewise */
    bool gone_told;      /* that its tail may be lost; nothing came since */
    bool silence_told;   /* the same for its silence */
    bool blind;          /* linked again, and its log is not all here yet */
    bool unheard;        /* what the first pipe carried may never have come */
    bool mark_due;       /* CLUSTER_MARK for all */
    bool lane_end_due;   /* CLUSTER_END */
    bool probe_due;      /* CLUSTER_PROBE */
    bool probe_out;      /* that was taken, and its number is not known yet */
    uint64_t probe_seq;  /* the number of a probe that is not answered; 0 */
    uint64_t probe_ms;   /* when it got it */

    /* moves.c: an ingress of ours, or one beside it */
    bool lacking;        /* it cannot reach all of its region ... */
    uint64_t lacking_ms; /* ... since; or it can */
    bool parting;        /* it goes, and what went through it is waited for */
    bool held;           /* its lane, meanwhile */
    bool hold_due;
    bool free_due;
    bool free_fenced;
    bool fence_due; /* far: that of its region; near: all that are known */

    /* through.c */
    uint64_t
        probed_seq; /* whose items we pass on: where its last probe stood, */
    uint64_t round_seq;  /* what the round is about, */
    uint64_t passed_seq; /* and what the last one was */
    uint8_t in_rounds;   /* of these it is waited for: a bit each */

    /* sync.c: our log there */
    uint64_t acked; /* it holds so much */
    bool counted;   /* barriers wait for it: it takes publishes, or soon may */
    uint64_t floor; /* before this it took none: no need to wait */
    struct replog_walk walk;
    bool walking;
    uint32_t walk_until; /* parts it has room for */

    /* sync.c: its log here */
    uint64_t said; /* newest version it named */
    bool have_due;
    uint64_t have;    /* acknowledged */
    uint64_t pull_ms; /* when to pull (again); 0: no need known */

    /* gate */
    bool counts_me;
    uint64_t counts_from; /* its version when it began to */
    uint64_t said_sum;    /* the sum it said, with us in it */
    bool agreed;          /* whom it counted is known here */
    uint64_t members_ms;  /* when to ask for its list (again); 0: no need */
};

/* Nodes of a region drain, and the lanes to the others are held. */
struct move {
    bool under_way;
    uint64_t began_ms;
    uint64_t count; /* our newest item by then */
};

/* Items are passed on to the own region, and to the own process (route.h). */
enum round_of {
    ROUND_REGION = 0,
    ROUND_HOST = 1,
    ROUNDS = 2
};

struct round {
    bool due; /* a lane was probed that the last one was not for */
    uint64_t began_ms;
    size_t left;           /* peers it waits for */
    uint64_t relays;       /* items, gaps and fences that we passed on, */
    uint64_t began_relays; /* when it began, */
    uint64_t done_relays;  /* and when the last that ended did */
};

struct cluster {
    struct peer_node self;
    uint8_t self_text[MEMBER_TEXT_LEN];
    uint64_t hash_key_print;
    uint64_t now_ms;
    uint64_t tick_ms; /* the next one */
    bool draining;
    bool drained;
    struct peer_host host; /* the own process, if there are more nodes in it */
    bool host_whole;       /* all of them have been ready, and linked */
    uint64_t host_here_ms; /* when none of them was missing */
    uint64_t host_gap_ms;  /* when subscribers are told so (again) */
    size_t host_late;      /* so many are missing, for too long */

    struct swim *swim;
    struct replog log;
    uint64_t flushed; /* version that was told */
    uint64_t flushed_digest;
    struct interest interest;
    struct registers registers;
    struct route route;
    struct fences fences;               /* of other regions' nodes */
    uint64_t count;                     /* of our newest item */
    uint8_t own_fence[PEER_NUMBER_LEN]; /* in a CLUSTER_FENCE */
    struct barrier barrier;
    struct gate gate;
    struct outbox outbox;
    bool gap_due;                   /* CLUSTER_GAP for all */
    bool hold_due;                  /* what everyone holds may have changed */
    uint64_t held[BARRIER_SCOPES];  /* the least that a linked peer holds */
    size_t held_by[BARRIER_SCOPES]; /* how many hold no more than that */

    struct peer *peers[CLUSTER_PEERS_MAX]; /* by slot */
    size_t slots;                          /* one past the highest in use */
    size_t turns_due; /* peers with open_due or close_due */
    bool lanes_due;   /* a peer may have something due in its lane ... */
    size_t lanes_at;  /* ... and is looked for from this slot on */
    size_t linked_len;
    size_t near_linked_len;
    size_t late_len;
    size_t draining_len;
    bool starved; /* a living member has no slot for want of memory */
    uint16_t slot_of_row[ROWS_MAX];
    uint64_t known_sum;   /* over the ids of near peers and self ... */
    uint64_t counted_sum; /* ... and of those that are counted */

    size_t visit_at;     /* the slot that is next to be looked after */
    uint64_t visit_ms;   /* when the last ones were */
    uint64_t visit_rest; /* of a slot, in slots x ms */
    uint64_t round;      /* times that all were */

    struct move moves[CLUSTER_REGIONS_MAX]; /* as cluster/route numbers them */
    size_t moves_len;                       /* under way */

    struct round rounds[ROUNDS];

    bool walk_more;    /* parts of a snapshot could not leave in this step */
    size_t walks_len;  /* peers that a snapshot is on its way to */
    bool end_due;      /* any peer may have something to be said at its end */
    uint16_t end_slot; /* this one may */
    const char *why;   /* the gate is shut */
    uint64_t wrong;    /* control messages that made no sense */
    uint64_t ask_ms;   /* from when on members are asked whom they count in */
    size_t blocked_at; /* index of a member that keeps it shut */

    struct buf scratch; /* records or ids of a message being made */
};

/* NULL when the slot is free or the peer has gone. */
static inline struct peer *peer_at(const struct cluster *cluster, size_t slot)
{
    struct peer *peer = slot < cluster->slots ? cluster->peers[slot] : NULL;

    return peer != NULL && !peer->close_due ? peer : NULL;
}

/* We pass on what it sends: to our region, or to our process. */
static inline bool is_passed_on(const struct cluster *cluster, uint16_t slot)
{
    return !cluster->peers[slot]->near ||
           (cluster->host.workers > 1 &&
            !route_is_sibling(&cluster->route, slot));
}
static inline enum round_of round_of(const struct cluster *cluster,
                                     uint16_t slot)
{
    return cluster->peers[slot]->near ? ROUND_HOST : ROUND_REGION;
}
/* Those to whom it is passed on. */
static inline bool is_passed_to(const struct cluster *cluster,
                                enum round_of round, uint16_t slot)
{
    return round == ROUND_REGION ? cluster->peers[slot]->near
                                 : route_is_sibling(&cluster->route, slot);
}

/* Subscribes may be acknowledged: others hold what they were told, and each
 * topic has its way into this process. */
static inline bool is_in_place(const struct cluster *cluster)
{
    return cluster->gate.ready && cluster->host_whole;
}

/* Of a node in known_sum and counted_sum: ids are random. */
static inline uint64_t weight_of(const struct node_id *id)
{
    return node_id_u64(id);
}

/* cluster.c */
/* Queues a message for the control lane; false: no memory, it is lost. */
bool cluster_tell(struct cluster *cluster, uint16_t slot,
                  const struct peer_message *message);
void cluster_say(struct cluster *cluster, enum cluster_event event,
                 const struct peer *peer, const char *text);
/* A turn with more changes than the log can say again goes in portions. */
void cluster_flush_if_long(struct cluster *cluster);
/* The peer sent what makes no sense: said once. */
void cluster_wrong(struct cluster *cluster, uint16_t slot);

/* slots.c */
void slots_open(struct cluster *cluster, const struct member *member);
void slots_close(struct cluster *cluster, const struct member *member);
void slots_retry(struct cluster *cluster);
bool slots_next(struct cluster *cluster, struct cluster_effect *effect);
void slots_check(const struct cluster *cluster);

/* link.c */
void link_pipe_up(struct cluster *cluster, uint16_t slot, uint64_t epoch);
void link_pipe_down(struct cluster *cluster, uint16_t slot);
/* false: of an older pipe, to be ignored. */
bool link_heard(struct cluster *cluster, uint16_t slot, uint64_t epoch);
void link_hello(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m);
void link_bye(struct cluster *cluster, uint16_t slot);
void link_cut(struct cluster *cluster, uint16_t slot); /* the peer goes */
/* Looks after some of the peers: after all of them once a second. */
void link_tick(struct cluster *cluster);
void link_say_hello(struct cluster *cluster, uint16_t slot);
void link_end_step(struct cluster *cluster, uint16_t slot);

/* loss.c */
/* CLUSTER_LOST, CLUSTER_NUMBERS. */
void loss_lost(struct cluster *cluster, uint16_t slot, struct bytes hashes);
void loss_numbers(struct cluster *cluster, uint16_t slot,
                  const struct cluster_news *news);
void loss_acked(struct cluster *cluster, uint16_t slot, uint64_t seq);
/* All subscribers here, and of the own process. */
void loss_tell_host(struct cluster *cluster);
/* What it sent last may never come: it is dead or has left; is silent; no pipe
 * stands to it, and perhaps none from it. */
void loss_gone(struct cluster *cluster, uint16_t slot);
void loss_silent(struct cluster *cluster, uint16_t slot);
void loss_look(struct cluster *cluster, uint16_t slot);
/* Subscriptions of ours may have begun without it while there was no way. */
void loss_unknown(struct cluster *cluster, uint16_t slot);
/* A pipe stands; call before anything is sent on it. */
void loss_pipe(struct cluster *cluster, uint16_t slot);
/* Items begin to be routed there; `met`: for the first time, and neither is
 * new. */
void loss_begin(struct cluster *cluster, uint16_t slot, bool met);
/* All that it wants is known here now. */
void loss_knows(struct cluster *cluster, uint16_t slot);
void loss_end_all(struct cluster *cluster);
bool loss_is_late(const struct cluster *cluster, uint16_t slot);
void loss_visit(struct cluster *cluster, uint16_t slot); /* once a second */
/* CLUSTER_GAP and CLUSTER_MARK for all, CLUSTER_FENCE, _HOLD, _FREE, _PROBE,
 * _END and _REDIAL. */
bool loss_next(struct cluster *cluster, struct cluster_effect *effect);

/* moves.c */
/* The route wants to know whether what went through some has arrived. */
void moves_ask(struct cluster *cluster);
/* If it has to go and there is a better one: what went through it goes there.
 */
void moves_release(struct cluster *cluster, uint16_t slot);
/* It says whether it lacks some of its region. */
void moves_lacks(struct cluster *cluster, uint16_t slot, bool lacking);
/* It said so: what we sent it up to that number has arrived. */
void moves_through(struct cluster *cluster, uint16_t slot, uint64_t through);
void moves_linked(struct cluster *cluster, uint16_t slot);
/* Call before the route forgets it. */
void moves_unlinked(struct cluster *cluster, uint16_t slot);
void moves_tick(struct cluster *cluster);
/* CLUSTER_FENCED. */
void moves_fenced(struct cluster *cluster, uint16_t slot, struct bytes pairs);

/* through.c */
/* Its lane brought a probe. */
void through_probed(struct cluster *cluster, uint16_t slot);
/* It has more of what we sent, and so much of it is through its process. */
void through_acked(struct cluster *cluster, uint16_t slot, uint64_t through);
void through_linked(struct cluster *cluster, uint16_t slot);
void through_gone(struct cluster *cluster, uint16_t slot);
void through_tick(struct cluster *cluster);

/* process.c */
void process_look(struct cluster *cluster); /* one may have become ready */
/* None of them is thought dead; or nothing is promised here. */
bool process_is_here(const struct cluster *cluster);
void process_tick(struct cluster *cluster);

/* sync.c */
void sync_flush(struct cluster *cluster);
void sync_pipe_up(struct cluster *cluster, uint16_t slot);
void sync_stop(struct cluster *cluster, uint16_t slot); /* its snapshot */
void sync_hello(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m);
void sync_delta(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m);
void sync_snapshot(struct cluster *cluster, uint16_t slot,
                   const struct peer_message *m);
void sync_pull(struct cluster *cluster, uint16_t slot,
               const struct peer_message *m);
void sync_have(struct cluster *cluster, uint16_t slot, uint64_t version);
/* Asks for what is missing, if it is time to; once a second. */
void sync_visit(struct cluster *cluster, uint16_t slot);
/* Takes the whole of its log once more. */
void sync_again(struct cluster *cluster, uint16_t slot);
/* Our barriers begin or end to wait for a linked peer, if they do now. */
void sync_count_in(struct cluster *cluster, uint16_t slot);
void sync_count_out(struct cluster *cluster, uint16_t slot);
/* The peer has all of our log. */
bool sync_is_held(const struct cluster *cluster, uint16_t slot);
/* Its log is not all here, as far as it has said. */
bool sync_lags(const struct cluster *cluster, uint16_t slot);
void sync_end_step(struct cluster *cluster, uint16_t slot);
/* Sends parts of snapshots that peers wait for; true if more can follow. */
bool sync_walk(struct cluster *cluster);
/* Recomputes what everyone holds. */
void sync_hold(struct cluster *cluster);

/* opening.c */
/* Opens the gate if nobody keeps it shut. Takes no longer than it takes to find
 * that the member that did so last still does. */
void opening_try(struct cluster *cluster);
/* A member counts these in: ourselves? others that we miss? */
void opening_hello(struct cluster *cluster, uint16_t slot,
                   const struct peer_message *m);

#endif
