/* SPDX-License-Identifier: MIT
 *
 * links.h - `unmap --install DIR`: a link to this binary for every program
 */
#ifndef CMD_LINKS_H
#define CMD_LINKS_H

#include "cmd/opts.h"

/** links_install() - Make NAME and unmap-NAME in @dir for each program
 *
 * Links that lead to an unmap binary are replaced; if any name is taken by
 * something else nothing is made at all. Gives a code of sysexits.h.
 */
int links_install(const struct command *programs, const char *dir);

#endif
