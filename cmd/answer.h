/* SPDX-License-Identifier: MIT
 *
 * answer.h - what the answers on the local socket share
 */
#ifndef CMD_ANSWER_H
#define CMD_ANSWER_H

#include "cmd/daemon.h"

/** answer_hub() - Edge: the hub that control reaches; port 0: none now */
struct taddr4 answer_hub(const struct daemon *d);

#endif
