/* SPDX-License-Identifier: MIT
 *
 * rule_range.c - a policy rule at preference 0 comes after the local table's,
 * which therefore has to move; and no port range of a rule may end at 65535.
 * (net/rules.c)
 */
#include "tests/assume/assume.h"

int main(void)
{
	int after, refused;

	enter("rule_range");
	must("ip rule add pref 0 ipproto tcp dport 61000-65534 lookup 77");
	after = !system("ip rule | head -1 | grep -q 'lookup local'");
	refused = system("ip rule add pref 1 ipproto tcp dport 61000-65535 "
			 "lookup 77 2>/dev/null") != 0;
	return result(after && refused);
}
