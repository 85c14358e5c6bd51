/* SPDX-License-Identifier: MIT
 *
 * p256.h - P-256 for machines that multiply 64 by 64 bits
 */
#ifndef CRYPTO_P256_H
#define CRYPTO_P256_H

#include <bearssl.h>

/** p256_64() - BearSSL's interface to it; NULL where the compiler has no
 * 128-bit product (then br_ec_p256_m31 is the fastest there is)
 */
const br_ec_impl *p256_64(void);

#endif
