/* SPDX-License-Identifier: MIT
 *
 * notify.h - tell systemd (or whoever set NOTIFY_SOCKET) how we are
 *
 * The sd_notify(3) protocol, spoken directly. Without NOTIFY_SOCKET every call
 * does nothing. After notify_open() only send() on its socket is used, so a
 * sandbox needs to allow nothing more.
 */
#ifndef CMD_NOTIFY_H
#define CMD_NOTIFY_H

/** notify_open() - Read the environment, open the socket; call at start */
void notify_open(void);
/** notify_ready() - READY=1 with a line for `systemctl status` */
void notify_ready(const char *status);
/** notify_reloading() - RELOADING=1; notify_ready() ends it */
void notify_reloading(void);
/** notify_stopping() - STOPPING=1 */
void notify_stopping(void);
/** notify_watchdog() - WATCHDOG=1: we are alive */
void notify_watchdog(void);
/** notify_watchdog_ms() - How often notify_watchdog() is wanted; 0: never */
unsigned notify_watchdog_ms(void);

#endif
