/* SPDX-License-Identifier: MIT
 *
 * sysctl.h - settings under /proc/sys that several daemons may share
 *
 * All functions give 0 or a negative errno. @path is relative to /proc/sys.
 */
#ifndef NET_SYSCTL_H
#define NET_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SYSCTL_VALUE = 64 };

/** struct sysctls - what this and other daemons here have changed
 * @fd: the shared record, locked (shared) as long as we live
 */
struct sysctls {
	int fd;
};

/** sysctls_open() - Take part in the record of this network namespace
 * ($UNMAP_RUN or /run/unmap; private memory if that cannot be written)
 */
int sysctls_open(struct sysctls *s);
/** sysctls_set() - Set @path to @value and record what it was. One that has
 * the value already is left alone, one that does not exist gives -ENOENT
 */
int sysctls_set(struct sysctls *s, const char *path, const char *value);
/** sysctls_note() - Record that @path has @value now and is about to become
 * @other as a side effect of the next sysctls_set(); undo brings it back
 */
int sysctls_note(struct sysctls *s, const char *path, const char *value,
		 const char *other);
/** sysctls_reserve() - Keep the host from picking ports @lo to @hi itself */
int sysctls_reserve(struct sysctls *s, uint16_t lo, uint16_t hi);
/** sysctls_undo() - Leave the record; the last one to leave restores every
 * value that is still as we set it
 */
void sysctls_undo(struct sysctls *s);

/** sysctl_read() - Value without its newline; -E2BIG if it does not fit */
int sysctl_read(const char *path, char *to, size_t cap);
int sysctl_write(const char *path, const char *value);

/** ports_change() - Set ports @lo to @hi in the list @text ("80,100-200"; the
 * form of ip_local_reserved_ports) or clear them; the result is in order
 * Return: 1 changed, 0 not, -EINVAL not a list, -E2BIG does not fit @cap
 */
int ports_change(char *text, size_t cap, uint16_t lo, uint16_t hi, bool add);

#endif
