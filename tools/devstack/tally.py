"""What tests came to: how many passed and failed, and which failed."""
import xml.etree.ElementTree as xml


def has_failed(case):
    return case.find("failure") is not None or case.find("error") is not None


def failing_cases(file, is_one=has_failed):
    return {f"{case.get('classname') or ''} {case.get('name')}"
            for case in xml.parse(file).iter("testcase") if is_one(case)}


def has_misbehaved(case):
    """Whether a program of ours crashed or a sanitizer spoke, which the fixtures tell at the end of a test."""
    return any("failed on teardown" in error.get("message", "") for error in case.iter("error"))


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.problems = []

    def __str__(self):
        """Its last line is `N passed, N failed`, whatever was skipped."""
        return (f"{self.skipped} skipped\n" if self.skipped else "") + f"{self.passed} passed, {self.failed} failed"

    def fail(self, what):
        self.failed += 1
        self.problems.append(what)

    def add_junit(self, file, what):
        """Adds a report's test cases, answers the names of those that failed; no report is a failure of its own."""
        try:
            cases = list(xml.parse(file).iter("testcase"))
        except (OSError, xml.ParseError) as error:
            self.fail(f"{what}: no report ({error})")
            return set()
        failed = failing_cases(file)
        for name in failed:
            self.fail(f"{what}: {name}")
        for case in cases:
            if has_failed(case):
                continue
            if case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1
        if not cases:
            self.fail(f"{what}: ran no test")
        return failed
