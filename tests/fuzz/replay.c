/* SPDX-License-Identifier: Apache-2.0
 *
 * replay FOLDER COUNT: gives a harness each file of a corpus and COUNT changed
 * copies of each, the same ones in every run. Stands in for libFuzzer where
 * there is none; tests/fuzz/run searches further.
 *
 * A single FILE instead of the folder is given as it is (a found input).
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    FILES_MAX = 256,
    FILE_LEN_MAX = 64 << 10,
    CHANGES_MAX = 6, /* of one copy */
};

struct corpus {
    size_t len;
    struct buf files[FILES_MAX];
};

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    uint8_t *room = buf_reserve(out, FILE_LEN_MAX);

    if (file == NULL || room == NULL) {
        perror(path);
        exit(2);
    }
    out->len += fread(room, 1, FILE_LEN_MAX, file);
    (void)fclose(file);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of their names: a folder has none of its own. */
static void read_folder(const char *folder, struct corpus *corpus)
{
    struct dirent **names;
    int len = scandir(folder, &names, is_visible, alphasort);

    if (len < 0) {
        perror(folder);
        exit(2);
    }
    for (int i = 0; i < len; i++) {
        char path[1024];
        assert(corpus->len < FILES_MAX);
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        read_file(path, &corpus->files[corpus->len++]);
        free(names[i]);
    }
    free(names);
}

/* --- changes --- */

static void change_byte(struct buf *b, struct fuzz_dice *dice)
{
    static const uint8_t edges[] = {0,   1,    '\n', '\r', '"',  '0',
                                    '9', 0x7f, 0x80, 0xc0, 0xdc, 0xff};
    uint8_t *at = b->p + fuzz_roll(dice, b->len);

    if (fuzz_roll(dice, 2) == 0) {
        *at = (uint8_t)(*at ^ 1u << fuzz_roll(dice, 8));
    } else {
        *at = edges[fuzz_roll(dice, sizeof edges)];
    }
}

static void remove_some(struct buf *b, struct fuzz_dice *dice)
{
    size_t at = fuzz_roll(dice, b->len);
    size_t n = fuzz_piece(dice, b->len - at);

    memmove(b->p + at, b->p + at + n, b->len - at - n);
    b->len -= n;
}

static void insert(struct buf *b, size_t at, struct bytes what)
{
    if (what.len == 0 || b->len + what.len > FILE_LEN_MAX ||
        buf_reserve(b, what.len) == NULL) {
        return;
    }
    memmove(b->p + at + what.len, b->p + at, b->len - at);
    memcpy(b->p + at, what.p, what.len);
    b->len += what.len;
}

/* A piece of any file of the corpus, somewhere. */
static void insert_some(struct buf *b, const struct corpus *corpus,
                        struct fuzz_dice *dice)
{
    const struct buf *from = &corpus->files[fuzz_roll(dice, corpus->len)];

    if (from->len > 0) {
        size_t off = fuzz_roll(dice, from->len);
        size_t n = fuzz_piece(dice, from->len - off);
        insert(b, fuzz_roll(dice, b->len + 1), bytes_of(from->p + off, n));
    }
}

static void change(struct buf *b, const struct corpus *corpus,
                   struct fuzz_dice *dice)
{
    size_t what = fuzz_roll(dice, 8);

    if (what >= 6) {
        insert_some(b, corpus, dice);
    } else if (b->len > 0 && what >= 4) {
        remove_some(b, dice);
    } else if (b->len > 0) {
        change_byte(b, dice);
    }
}

/* --- the run --- */

static void give(struct bytes in)
{
    uint8_t *copy = fuzz_copy(in);

    (void)LLVMFuzzerTestOneInput(copy, in.len);
    free(copy);
}

static void give_changed(const struct corpus *corpus, size_t index,
                         struct fuzz_dice *dice)
{
    struct buf changed = {0};

    buf_add_bytes(&changed, buf_bytes(&corpus->files[index]));
    for (size_t left = 1 + fuzz_roll(dice, CHANGES_MAX); left > 0; left--) {
        change(&changed, corpus, dice);
    }
    give(buf_bytes(&changed));
    buf_fini(&changed);
}

static void run(const struct corpus *corpus, unsigned long count)
{
    give((struct bytes){0});
    for (size_t i = 0; i < corpus->len; i++) {
        struct bytes file = buf_bytes(&corpus->files[i]);
        struct fuzz_dice dice = fuzz_dice_of(file);
        give(file);
        for (unsigned long n = 0; n < count; n++) {
            give_changed(corpus, i, &dice);
        }
    }
}

int main(int argc, char **argv)
{
    struct corpus corpus = {0};
    struct stat about;

    if (argc < 2 || stat(argv[1], &about) != 0) {
        (void)fputs("usage: FOLDER [COUNT] | FILE\n", stderr);
        return 2;
    }
    if (S_ISDIR(about.st_mode)) {
        read_folder(argv[1], &corpus);
        assert(corpus.len > 0);
        run(&corpus, argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    } else {
        read_file(argv[1], &corpus.files[corpus.len++]);
        give(buf_bytes(&corpus.files[0]));
    }
    for (size_t i = 0; i < corpus.len; i++) {
        buf_fini(&corpus.files[i]);
    }
    return 0;
}
