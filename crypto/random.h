/* SPDX-License-Identifier: MIT
 *
 * random.h - randomness from the kernel
 */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>

/** random_bytes() - Fill @to with @len unpredictable bytes; cannot fail
 *
 * Waits until the kernel's generator is ready (early boot). A kernel without
 * getrandom (before 3.17) ends the process: there is nothing to go on with.
 */
void random_bytes(void *to, size_t len);

#endif
