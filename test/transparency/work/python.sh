# A module of Python's own test suite.
exec python3 /work/suite.py "$1"
