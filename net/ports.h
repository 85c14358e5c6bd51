/* SPDX-License-Identifier: MIT
 *
 * ports.h - is a range of ports free for own carriers?
 */
#ifndef NET_PORTS_H
#define NET_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORTS_WHY = 128 };

/** ports_claim() - Check ports @lo to @hi in this network namespace, and claim
 * them against other unmaps for as long as this process lives
 * Return: false: in use; @why says by what
 */
bool ports_claim(uint16_t lo, uint16_t hi, char why[static PORTS_WHY]);
/** ports_claimed() - Parse "@unmap-ports-LO-HI"; false if it is not that */
bool ports_claimed(const char *text, uint16_t *lo, uint16_t *hi);
/** ports_bound() - Local port of a line of /proc/net/tcp and its like; 0: none
 */
uint16_t ports_bound(const char *line);

#endif
