/* SPDX-License-Identifier: MIT
 *
 * benchd.c - the daemons' part in `unmap bench`
 */
#include "cmd/benchd.h"

void benchd_request(struct local_client *c, struct daemon *d, const char *rest)
{
	static const char no[] = "error this version cannot measure yet\n";

	(void)d;
	(void)rest;
	if (local_write(c, no, sizeof(no) - 1))
		local_finish(c);
}

void benchd_gone(struct daemon *d, const struct local_client *c)
{
	(void)d;
	(void)c;
}

void benchd_message(struct daemon *d, uint32_t link, struct span body)
{
	(void)d;
	(void)link;
	(void)body;
}
