/* SPDX-License-Identifier: MIT
 *
 * former.c - control moves to another connection without losing a message
 *
 * Theory of operation
 * ===================
 *	edge				hub
 *	HELLO on the new one ------->	sends on the new one from now on
 *	<------- HELLO on the new one, BYE on the former one (its last word)
 *	sends on the new one from now on; closes the former one
 *	when it has both ----------->	hears the former one until it ends
 *
 * So each end hears all that the other has sent. Only within one epoch, one
 * former connection per link, FORMER_MS at most.
 *
 * Two connections keep no order between them. What is told anew on a new
 * connection (records, the size of the path, the state of shared) is not taken
 * from the former one. A LEFT that overtook its OPEN is remembered, so that no
 * carrier is made that the edge has left. All else is good in any order: the
 * end of what is not there ends nothing, and no number is used again so soon.
 */
#include "core/own.h"

enum { FORMER_MS = 10 * 1000 };

void former_drop(struct engine *e, struct link *l)
{
	if (l->former == NONE)
		return;
	if (is_edge(e)) /* the hub has said it when it moved */
		out_bye(e, l->former, BYE_REPLACED, "replaced");
	close_conn(e, l->former);
	l->former = NONE;
}

void former_keep(struct engine *e, struct link *l, msec now)
{
	former_drop(e, l);
	l->former = l->control;
	l->early_lefts = 0;
	link_due(e, l, TIMER_FORMER, now + FORMER_MS);
	if (!is_edge(e))
		out_bye(e, l->former, BYE_REPLACED, "replaced");
	else if (e->conn[l->former].bye)
		former_drop(e, l);
}

void former_timer(struct engine *e, struct link *l, msec now)
{
	(void)now;
	former_drop(e, l);
}

static bool left_already(const struct link *l, uint32_t carrier)
{
	for (uint32_t i = 0; i < l->early_lefts; i++)
		if (l->early_left[i] == carrier)
			return true;
	return false;
}

bool former_takes(struct engine *e, struct link *l, const struct msg *m)
{
	switch (m->type) {
	case MSG_STATE:
	case MSG_STATE_END:
	case MSG_SIZE:
	case MSG_SHARED:
		return false;
	case MSG_OPEN:
		if (!left_already(l, m->u.open.carrier))
			return true;
		end_packet(e, l, DROP_STALE_MESSAGE);
		return false;
	default:
		return true;
	}
}

void former_left(struct engine *e, struct link *l, const struct msg_left *m,
		 msec now)
{
	if (!is_edge(e) && l->former != NONE && l->early_lefts < EARLY_LEFT &&
	    carrier_named(e, link_index(e, l), m->carrier) == NONE)
		l->early_left[l->early_lefts++] = m->carrier;
	carrier_message_left(e, l, m, now);
}

/* Is there a connection of an edge that control is about to move to? */
static bool is_moving(const struct engine *e)
{
	for (uint32_t n = 0; n < e->conf.conns; n++)
		if (e->conn[n].used && !e->conn[n].greeted &&
		    e->conn[n].kind == CONN_CONTROL)
			return true;
	return false;
}

void former_bye(struct engine *e, const struct link *l, uint32_t conn,
		uint8_t why)
{
	e->conn[conn].bye = true;
	if (!is_edge(e) || l->control != conn || why != BYE_REPLACED ||
	    !is_moving(e))
		close_conn(e, conn);
}
