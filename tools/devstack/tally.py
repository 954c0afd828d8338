"""What tests came to: how many passed and failed, which failed, and which passed only when they were tried again."""
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
        self.unsteady = []  # failed and then passed: neither among `passed` nor among `failed`

    def __str__(self):
        """Its last line is `N passed, N failed`, whatever else there is to say."""
        lines = [f"{self.skipped} skipped"] if self.skipped else []
        if self.unsteady:
            lines.append(f"{len(self.unsteady)} passed only when tried again")
        return "\n".join([*lines, f"{self.passed} passed, {self.failed} failed"])

    def fail(self, what):
        self.failed += 1
        self.problems.append(what)

    def names(self):
        """One a line: what failed, and what passed only when it was tried again."""
        return [*(f"FAILED {what}" for what in self.problems), *(f"TRIED AGAIN {what}" for what in self.unsteady)]

    def call_unsteady(self, what):
        """A failure that was counted, of what has passed since."""
        self.failed -= 1
        self.problems.remove(what)
        self.unsteady.append(what)

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
