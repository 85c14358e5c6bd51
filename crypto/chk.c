/* SPDX-License-Identifier: MIT
 *
 * chk.c - three functions that Debian's libbearssl.a expects of glibc
 *
 * That library was compiled with _FORTIFY_SOURCE, musl has no such functions.
 * They do what glibc's do: end the process rather than write out of bounds.
 * Not linked into glibc builds.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *__memcpy_chk(void *to, const void *from, size_t len, size_t cap);
void *__memmove_chk(void *to, const void *from, size_t len, size_t cap);
void *__memset_chk(void *to, int byte, size_t len, size_t cap);

void *__memcpy_chk(void *to, const void *from, size_t len, size_t cap)
{
	if (len > cap)
		abort();
	return memcpy(to, from, len);
}

void *__memmove_chk(void *to, const void *from, size_t len, size_t cap)
{
	if (len > cap)
		abort();
	return memmove(to, from, len);
}

void *__memset_chk(void *to, int byte, size_t len, size_t cap)
{
	if (len > cap)
		abort();
	return memset(to, byte, len);
}
