/*
 * getent ahosts for a C library that has none: for each name a line with what
 * getaddrinfo gives, or its error. Built with the musl C library.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static void look_up(const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all, *a;
	char text[INET6_ADDRSTRLEN];
	int err = getaddrinfo(name, "443", &hints, &all);

	if (err) {
		printf("%s: error: %s\n", name, err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
		return;
	}
	printf("%s:", name);
	for (a = all; a; a = a->ai_next) {
		const void *at = a->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
							 : (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;

		printf(" %s", inet_ntop(a->ai_family, at, text, sizeof(text)));
	}
	putchar('\n');
	freeaddrinfo(all);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		look_up(argv[i]);
	return 0;
}
