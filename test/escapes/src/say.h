/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* System calls without a library. */
static long syscall3(long n, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static void leave(int code)
{
	for (;;)
		syscall3(231, code, 0, 0);
}

static void say(void)
{
	syscall3(1, 1, (long)"END ok\n", 7);
	leave(0);
}
