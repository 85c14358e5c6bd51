/* SPDX-License-Identifier: MIT
 *
 * answer.c - what a running edge or hub says on its local socket
 */
#include <stdio.h>
#include <string.h>

#include "cmd/daemon.h"

void answer_request(struct local_client *c, const char *line, void *arg)
{
	struct daemon *d = arg;
	char text[256];
	int n = snprintf(text, sizeof(text), "%s %s, %u sessions\n",
			 d->program, d->name, engine_sessions(d->engine));

	(void)line;
	if (n > 0 && local_write(c, text, (size_t)n))
		local_finish(c);
}

void answer_gone(struct local_client *c, void *arg)
{
	(void)c;
	(void)arg;
}

void answer_bench(struct daemon *d, uint32_t link, struct span body)
{
	(void)d;
	(void)link;
	(void)body;
}
