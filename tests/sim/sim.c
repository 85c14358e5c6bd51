/* SPDX-License-Identifier: MIT
 *
 * sim.c - the simulator as one piece, included by the tests that use it
 */
#include "tests/sim/net.c"
#include "tests/sim/pipe.c"
#include "tests/sim/nat.c"
#include "tests/sim/ends.c"
#include "tests/sim/fast.c"
