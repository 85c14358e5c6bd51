/* SPDX-License-Identifier: MIT
 *
 * ask.h - finding the running daemon that a user means
 */
#ifndef CMD_ASK_H
#define CMD_ASK_H

#include "net/local.h"

/** ask_find() - The daemons that @wanted (name, process number, or NULL) means,
 * at the front of @all (LOCAL_LIST entries)
 *
 * Ends the process with a sentence and EX_UNAVAILABLE if there is none.
 * Return: how many, at least 1
 */
int ask_find(struct local_entry *all, const char *wanted);

/** ask_failed() - Say that it does not answer (@err: an errno), and end */
_Noreturn void ask_failed(const struct local_entry *e, int err);

#endif
