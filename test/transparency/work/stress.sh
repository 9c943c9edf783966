# One kind of load, a fixed number of rounds of it, with few names where there would be thousands.
stress-ng --temp-path . --no-rand-seed --verify --chdir-dirs 64 --dentries 64 --"$1" 1 --"$1"-ops 20 > said 2>&1
status=$?
# Its rates, times and numbers of processes are no result.
sed -n 's/^stress-ng: \(fail\|error\): *\[[0-9]*\] /\1 /p; s/.*\(passed: .*\|skipped: .*\|failed: .*\)/\1/p' said
exit $status
