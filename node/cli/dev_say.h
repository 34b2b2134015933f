/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling dev` prints while it stays: one line for each thing that
 * happens, with the time of day.
 */
#ifndef NODE_CLI_DEV_SAY_H
#define NODE_CLI_DEV_SAY_H

__attribute__((format(printf, 1, 2))) void dev_say(const char *format, ...);

#endif
