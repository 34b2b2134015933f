/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests, made when they are needed: each signs itself, for the
 * name "localhost" and the address 127.0.0.1. In files of a folder of the test,
 * which are gone after it. Include after tests/test.h.
 */
#ifndef TESTS_CERTIFICATE_H
#define TESTS_CERTIFICATE_H

struct certificate {
    char cert[64]; /* paths */
    char key[64];
};

/* Of a group of tests, and after each test. */
int certificates_begin(void **state);
int certificates_end(void **state);
int certificates_forget(void **state);

/* Valid from and until so many seconds from now; fails the test. */
const struct certificate *certificate_make(long from_s, long until_s);
/* Its key gets a passphrase. */
void certificate_lock(const struct certificate *certificate);

#endif
