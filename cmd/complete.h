/* SPDX-License-Identifier: MIT
 *
 * complete.h - shell completions, written from the programs' tables
 */
#ifndef CMD_COMPLETE_H
#define CMD_COMPLETE_H

#include <stdbool.h>
#include <stdio.h>

#include "cmd/opts.h"

/** complete_write() - The completions of @root for @shell ("bash", "zsh",
 * "fish"); false if there is no such shell
 *
 * @root is the table of main.c: its commands are the programs.
 */
bool complete_write(const struct program *root, const char *shell, FILE *to);

#endif
