/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: runs a command (node/cli/commands.c).
 */
#include "node/cli/commands.h"

int main(int argc, char **argv)
{
    return commands_run(argc > 0 ? argc - 1 : 0, argv + 1);
}
