/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/keyfile_edit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/yaml.h"
#include "proto/err.h"

enum {
    MORE = 256, /* bytes that a change can add to a file */
    SUFFIX_LEN = sizeof(".XXXXXX"),
};

struct edit {
    struct keyfile_why why;
    char path[PATH_MAX]; /* of the file itself, not of a link */
    char new_path[PATH_MAX + SUFFIX_LEN]; /* "" = not there */
    struct stat st;
    struct buf text;
    size_t lines[SEAL_KEYS_MAX]; /* where each key is, from 1 */
    size_t lines_len;
    struct buf out;
    struct keyfile keys; /* as they are; the ring then as it is to be */
};

static int edit_open(struct edit *edit, const char *path);
static void edit_close(struct edit *edit);
static int edit_commit(struct edit *edit);

static int fail(struct edit *edit, int err, const char *reason)
{
    snprintf(edit->why.text, edit->why.len, "%s: %s", edit->path, reason);
    return err;
}

/* --- the text, line by line --- */

/* The line of that number, with its newline. */
static struct bytes line_at(const struct edit *edit, size_t number)
{
    struct bytes rest = buf_bytes(&edit->text);

    for (size_t i = 1; i < number; i++) {
        rest = bytes_skip(rest, (size_t)bytes_find(rest, '\n') + 1);
    }
    rest.len = (size_t)bytes_find(rest, '\n') + 1;
    return rest;
}

static struct bytes line_of_key(const struct edit *edit, size_t i)
{
    assert(i < edit->lines_len);
    return line_at(edit, edit->lines[i]);
}

static size_t indent_of(struct bytes line)
{
    size_t i = 0;

    while (i < line.len && line.p[i] == ' ') {
        i++;
    }
    return i;
}

/* Adds the text from one place of it to another. */
static void copy(struct edit *edit, const uint8_t *from, const uint8_t *to)
{
    buf_add(&edit->out, from, (size_t)(to - from));
}

static const uint8_t *end_of(struct bytes s)
{
    return s.p + s.len;
}

static void compose_added(struct edit *edit, const uint8_t *secret)
{
    struct bytes text = buf_bytes(&edit->text);
    struct bytes last = line_of_key(edit, edit->lines_len - 1);

    copy(edit, text.p, end_of(last));
    buf_add(&edit->out, last.p, indent_of(last));
    buf_add_str(&edit->out, "- \"");
    buf_add_hex(&edit->out, secret, SEAL_KEY_LEN);
    buf_add_str(&edit->out, "\"\n");
    copy(edit, end_of(last), end_of(text));
}

static void compose_first(struct edit *edit, size_t i)
{
    struct bytes text = buf_bytes(&edit->text);
    struct bytes first = line_of_key(edit, 0);
    struct bytes line = line_of_key(edit, i);

    copy(edit, text.p, first.p);
    buf_add_bytes(&edit->out, line);
    copy(edit, first.p, line.p);
    copy(edit, end_of(line), end_of(text));
}

static void compose_removed(struct edit *edit, size_t i)
{
    struct bytes text = buf_bytes(&edit->text);
    struct bytes line = line_of_key(edit, i);

    copy(edit, text.p, line.p);
    copy(edit, end_of(line), end_of(text));
}

/* --- the three changes --- */

static int add(struct edit *edit, const uint8_t *secret)
{
    struct seal_ring *ring = &edit->keys.ring;
    struct seal_key key;

    if (seal_key_init(&key, secret) != 0) {
        return fail(edit, ERR_ARGUMENT, "a key of zeros is no key");
    }
    if (seal_ring_find(ring, key.print) >= 0) {
        return 0;
    }
    if (ring->keys_len == SEAL_KEYS_MAX) {
        return fail(edit, ERR_LIMIT, "it has 8 cluster keys: remove one first");
    }
    compose_added(edit, secret);
    ring->keys[ring->keys_len++] = key;
    return edit_commit(edit);
}

static int put_first(struct edit *edit, uint64_t print)
{
    struct seal_ring *ring = &edit->keys.ring;
    ptrdiff_t at = seal_ring_find(ring, print);

    if (at < 0) {
        return fail(edit, ERR_NOT_FOUND, "it does not have that cluster key");
    }
    if (at == 0) {
        return 0;
    }
    compose_first(edit, (size_t)at);
    struct seal_key key = ring->keys[at];
    memmove(&ring->keys[1], &ring->keys[0], (size_t)at * sizeof key);
    ring->keys[0] = key;
    return edit_commit(edit);
}

static int take_out(struct edit *edit, uint64_t print)
{
    struct seal_ring *ring = &edit->keys.ring;
    ptrdiff_t at = seal_ring_find(ring, print);

    if (at < 0) {
        return 0;
    }
    if (ring->keys_len == 1) {
        return fail(edit, ERR_CONFLICT, "it is the only cluster key");
    }
    compose_removed(edit, (size_t)at);
    ring->keys_len--;
    memmove(&ring->keys[at], &ring->keys[at + 1],
            (ring->keys_len - (size_t)at) * sizeof ring->keys[0]);
    return edit_commit(edit);
}

enum change {
    CHANGE_ADD,
    CHANGE_FIRST,
    CHANGE_REMOVE
};

static int change(const char *path, enum change what, const uint8_t *secret,
                  uint64_t print, struct keyfile_why why)
{
    struct edit *edit = calloc(1, sizeof *edit);

    if (edit == NULL) {
        snprintf(why.text, why.len, "%s: out of memory", path);
        return ERR_NOMEM;
    }
    edit->why = why;
    int rc = edit_open(edit, path);
    if (rc == 0) {
        switch (what) {
        case CHANGE_ADD:
            rc = add(edit, secret);
            break;
        case CHANGE_FIRST:
            rc = put_first(edit, print);
            break;
        case CHANGE_REMOVE:
            rc = take_out(edit, print);
            break;
        }
    }
    edit_close(edit);
    return rc;
}

int keyfile_add(const char *path, const uint8_t secret[SEAL_KEY_LEN],
                struct keyfile_why why)
{
    return change(path, CHANGE_ADD, secret, 0, why);
}

int keyfile_put_first(const char *path, uint64_t print, struct keyfile_why why)
{
    return change(path, CHANGE_FIRST, NULL, print, why);
}

int keyfile_remove(const char *path, uint64_t print, struct keyfile_why why)
{
    return change(path, CHANGE_REMOVE, NULL, print, why);
}

/* --- reading --- */

static int note_line(void *data, const struct yaml_entry *entry)
{
    struct edit *edit = data;

    if (strcmp(entry->section, "cluster_keys") == 0) {
        assert(edit->lines_len < SEAL_KEYS_MAX); /* keyfile_read() took it */
        edit->lines[edit->lines_len++] = entry->line;
    }
    return 0;
}

static int read_text(struct edit *edit)
{
    int fd = open(edit->path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0 || fstat(fd, &edit->st) != 0 || edit->st.st_size < 0 ||
        edit->st.st_size > YAML_FILE_LEN_MAX) {
        len = SIZE_MAX;
    } else {
        len = (size_t)edit->st.st_size;
    }
    /* All at once, so that no copy of a secret stays behind a growing buffer.
     */
    uint8_t *to = len == SIZE_MAX ? NULL : buf_reserve(&edit->text, len + 1);
    (void)buf_reserve(&edit->out, edit->text.cap + MORE);
    if (to == NULL || edit->out.failed || read(fd, to, len) != (ssize_t)len) {
        len = SIZE_MAX;
    } else {
        edit->text.len = len;
    }
    if (fd >= 0) {
        close(fd);
    }
    return len == SIZE_MAX ? fail(edit, ERR_IO, "cannot be read") : 0;
}

/* Each key must be an entry of a list, on a line of its own. */
static int check_lines(struct edit *edit)
{
    if (edit->text.p[edit->text.len - 1] != '\n') {
        buf_add_u8(&edit->text, '\n');
    }
    for (size_t i = 0; i < edit->lines_len; i++) {
        struct bytes line = line_of_key(edit, i);
        if (line.p[indent_of(line)] != '-' ||
            (i > 0 && edit->lines[i] == edit->lines[i - 1])) {
            return fail(edit, ERR_CONFIG,
                        "its cluster_keys are not one a line: change it by "
                        "hand");
        }
    }
    return 0;
}

static int edit_open(struct edit *edit, const char *path)
{
    struct keyfile_why why = edit->why;

    if (realpath(path, edit->path) == NULL) {
        snprintf(why.text, why.len, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    int rc = keyfile_read(edit->path, &edit->keys, why.text, why.len);
    if (rc == 0) {
        rc = yaml_read(edit->path, note_line, edit, why.text, why.len);
    }
    if (rc == 0) {
        rc = read_text(edit);
    }
    return rc == 0 ? check_lines(edit) : rc;
}

static void wipe(struct buf *b)
{
    if (b->p != NULL) {
        explicit_bzero(b->p, b->cap);
    }
    buf_fini(b);
}

static void edit_close(struct edit *edit)
{
    if (edit->new_path[0] != '\0') {
        unlink(edit->new_path);
    }
    wipe(&edit->text);
    wipe(&edit->out);
    explicit_bzero(edit, sizeof *edit);
    free(edit);
}

/* --- writing --- */

static bool is_as_meant(const struct edit *edit, const struct keyfile *now)
{
    const struct keyfile *meant = &edit->keys;

    if (now->ring.keys_len != meant->ring.keys_len ||
        now->token_keys.len != meant->token_keys.len ||
        memcmp(&now->hash_key, &meant->hash_key, sizeof now->hash_key) != 0) {
        return false;
    }
    for (size_t i = 0; i < now->ring.keys_len; i++) {
        if (now->ring.keys[i].print != meant->ring.keys[i].print) {
            return false;
        }
    }
    return true;
}

static int read_back(struct edit *edit)
{
    struct keyfile now;
    int rc = keyfile_read(edit->new_path, &now, edit->why.text, edit->why.len);

    if (rc == 0 && !is_as_meant(edit, &now)) {
        rc = fail(edit, ERR_CONFIG,
                  "its cluster_keys are not understood: change it by hand");
    }
    explicit_bzero(&now, sizeof now);
    return rc;
}

/* With the owner and the rights of the old one: a node must be able to read it.
 */
static int write_new(struct edit *edit)
{
    snprintf(edit->new_path, sizeof edit->new_path, "%s.XXXXXX", edit->path);
    int fd = mkostemp(edit->new_path, O_CLOEXEC);
    if (fd < 0) {
        edit->new_path[0] = '\0';
        return fail(edit, ERR_IO, "its folder cannot be written");
    }
    int rc = keyfile_write(fd, buf_bytes(&edit->out));
    bool is_ours = edit->st.st_uid == geteuid() && edit->st.st_gid == getegid();
    if (rc == 0 && !is_ours &&
        fchown(fd, edit->st.st_uid, edit->st.st_gid) != 0) {
        rc = ERR_DENIED;
    }
    if (rc == 0 && fchmod(fd, edit->st.st_mode & 0700) != 0) {
        rc = ERR_DENIED;
    }
    if (close(fd) != 0 && rc == 0) {
        rc = ERR_IO;
    }
    return rc == 0 ? 0
                   : fail(edit, rc,
                          rc == ERR_DENIED
                              ? "its owner cannot be kept: run it as them"
                              : "its folder cannot be written");
}

/* That the name is the new file's must survive a power cut, too. */
static int sync_folder(const struct edit *edit)
{
    char folder[PATH_MAX];

    memcpy(folder, edit->path, sizeof folder);
    char *slash = strrchr(folder, '/');
    assert(slash != NULL); /* it is absolute */
    slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ERR_IO;
    }
    int rc = fsync(fd) == 0 ? 0 : ERR_IO;
    close(fd);
    return rc;
}

static int edit_commit(struct edit *edit)
{
    if (edit->out.failed) {
        return fail(edit, ERR_NOMEM, "out of memory");
    }
    int rc = write_new(edit);
    if (rc == 0) {
        rc = read_back(edit);
    }
    if (rc != 0) {
        return rc;
    }
    if (rename(edit->new_path, edit->path) != 0) {
        return fail(edit, ERR_IO, strerror(errno));
    }
    edit->new_path[0] = '\0';
    return sync_folder(edit) == 0 ? 0
                                  : fail(edit, ERR_IO, "is not on the disk");
}
