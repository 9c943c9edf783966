/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A library whose code runs as soon as it is loaded. */
#include "say.h"

__attribute__((constructor)) static void loaded(void)
{
	say();
}
