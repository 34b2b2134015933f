/* SPDX-License-Identifier: Apache-2.0
 *
 * What a shell needs to complete commands, options, their choices and files:
 * scripts made from the rows of the commands. They ask no node anything.
 */
#ifndef NODE_CLI_COMPLETION_H
#define NODE_CLI_COMPLETION_H

#include <stdio.h>

void completion_bash(FILE *to);
void completion_zsh(FILE *to);
void completion_fish(FILE *to);

#endif
