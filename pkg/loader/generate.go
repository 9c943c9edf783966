package loader

// The object and its Go types are committed; `make generate-check` proves that
// they regenerate byte for byte with the pinned compiler.
//
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -type kind -type rule -type class -type verdict -type hook -type event_kind -type dns_refusal -type guarded -type guard_why -type handover_head -type counted_key -type counted_value -type table_header -type verdict_row safeclaw ../../bpf/safeclaw.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function

// The same programs for kernels without the kfuncs that they use: see bpf/kfuncs.h.
//
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -no-global-types plain ../../bpf/safeclaw.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function -DNO_KFUNCS

// The matcher alone, for tests on machines that load no LSM program.
//
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -output-suffix _test -type match_run matcher ../../bpf/test/match.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -output-suffix _test -no-global-types plainMatcher ../../bpf/test/match.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function -DNO_KFUNCS

// The reader of DNS messages alone, for the same.
//
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -output-suffix _test -no-global-types dnsReader ../../bpf/test/dns.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -go-package loader -output-suffix _test -no-global-types plainDNSReader ../../bpf/test/dns.bpf.c -- -I../../bpf -mcpu=v3 -O2 -Wall -Werror -Wno-unused-function -DNO_KFUNCS
