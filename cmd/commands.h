/* SPDX-License-Identifier: MIT
 *
 * commands.h - the entry of each program of commands.def
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#define COMMAND(name) int name##_main(int argc, char **argv);
#include "cmd/commands.def"
#undef COMMAND

#endif
