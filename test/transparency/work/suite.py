"""Runs one module of Python's own tests and prints how each ended, in the order of their names."""

import importlib
import re
import sys
import unittest
from test import support

# Neither the network outside nor what takes minutes.
support.use_resources = []
support.verbose = False


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.said = {}

    def say(self, test, how):
        self.said.setdefault(test.id(), how)

    def addSuccess(self, test):
        self.say(test, "ok")

    def addFailure(self, test, err):
        self.say(test, "FAILED " + self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.say(test, "FAILED " + self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err:
            self.say(test, "FAILED " + self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.say(test, "skipped: " + reason)

    def addExpectedFailure(self, test, err):
        self.say(test, "fails as expected")

    def addUnexpectedSuccess(self, test):
        self.say(test, "FAILED not to fail")


def tests(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from tests(t)
        else:
            yield t


module = importlib.import_module("test." + sys.argv[1])
result = Result()
suite = unittest.TestSuite(tests(unittest.defaultTestLoader.loadTestsFromModule(module)))
suite.run(result)
for name, how in sorted(result.said.items()):
    print(name, re.sub(r"@test_\d+_", "@test_PID_", how))
sys.exit(any(h.startswith("FAILED") for h in result.said.values()))
