# A module of Python's own test suite. Warnings, of what took long for one, are no result.
python3 /job/suite.py "$1" 2> warnings && exit
status=$?
cat warnings
exit $status
