# A C project of several files, with a static and a shared library and a test: built, changed, built again.
set -e
mkdir src
for i in 1 2 3 4; do
  printf '#include "all.h"\nint part%s(int n) { return n * %s; }\n' $i $i > src/part$i.c
done
printf 'int part1(int); int part2(int); int part3(int); int part4(int); int shared(int);\n' > src/all.h
printf '#include "all.h"\nint shared(int n) { return n + 1000; }\n' > src/shared.c
cat > src/main.c << 'END'
#include <stdio.h>
#include <stdlib.h>
#include "all.h"

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	printf("%d\n", shared(part1(n) + part2(n) + part3(n) + part4(n)));
	return 0;
}
END
cat > Makefile << 'END'
CFLAGS = -O1 -Wall -MMD
PARTS = src/part1.o src/part2.o src/part3.o src/part4.o

main: src/main.o libparts.a libshared.so
	$(CC) -o $@ src/main.o -L. -lparts -lshared -Wl,-rpath,'$$ORIGIN'
libparts.a: $(PARTS)
	$(AR) rcsD $@ $?
libshared.so: src/shared.c src/all.h
	$(CC) $(CFLAGS) -fPIC -shared -o $@ src/shared.c
test: main
	test "$$(./main 5)" = 1050
	@echo passed
install: main
	install -D -m 755 main $(DESTDIR)/usr/bin/main
	install -D -m 644 libshared.so $(DESTDIR)/usr/lib/libshared.so
clean:
	rm -f main libparts.a libshared.so src/*.o src/*.d *.d
-include $(wildcard src/*.d)
.PHONY: test install clean
END
make CC=gcc -s -j2 test
make CC=gcc -q main
sed -i 's/1000/2000/' src/shared.c
! make CC=gcc test
make CC=gcc DESTDIR="$PWD/root" install
./root/usr/bin/main 1 || echo "not without its library: $?"
LD_LIBRARY_PATH=root/usr/lib ./root/usr/bin/main 1
sha256sum main libparts.a libshared.so
strip main
make clean
find . | sort
