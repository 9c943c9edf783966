/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program that needs its dynamic loader, and no library. */
#include "say.h"

void _start(void)
{
#ifdef QUIET
	leave(1);
#endif
	say();
}
