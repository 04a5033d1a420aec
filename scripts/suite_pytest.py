"""A plugin for pytest: what became of each test, for scripts/pgbouncer-suite.

It appends a line to the file that SUITE_OUTCOMES names as each test ends: "passed",
"failed" or "skipped", a blank, the test as "test_admin.test_show", and for a failure
another blank and its error.

With SUITE_WORDING=no the wording of log lines and of error messages is not compared:
only that an error of the right kind comes where one is expected.
"""

import contextlib
import os

import pytest


def named(nodeid):
    file, _, test = nodeid.partition("::")
    return os.path.basename(file).removesuffix(".py") + "." + test


ended = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    error = ""
    if report.failed and call.excinfo:
        error = f" {type(call.excinfo.value).__name__}: {call.excinfo.value}"
        error = " ".join(error.split())[:500]
    # A test may fail in its own part and once more when all is cleaned up.
    before, text = ended.get(item.nodeid, ("passed", ""))
    if before == "passed" and report.outcome != "passed":
        ended[item.nodeid] = (report.outcome, error)
    if report.when == "teardown":
        outcome, text = ended.pop(item.nodeid, ("passed", ""))
        line = f"{outcome} {named(item.nodeid)} {text}".rstrip()
        with open(os.environ["SUITE_OUTCOMES"], "a", encoding="utf-8") as out:
            out.write(line + "\n")


def pytest_collection_finish(session):
    if os.environ.get("SUITE_WORDING") != "no":
        return
    from test import utils

    @contextlib.contextmanager
    def log_contains(self, re_string, times=None):
        yield

    utils.Bouncer.log_contains = log_contains
    raises = pytest.raises

    def any_message(expected, *args, match=None, **more):
        return raises(expected, *args, **more)

    pytest.raises = any_message
