"""tests/coverage/uncovered.txt: the branches that no test reaches, each below the reason why.

A paragraph is a reason and, indented, the branches it is of, called as in missed.txt: file, function, side and source. One
that begins with SOMETIMES is of branches that need a race or another machine: they may be reached or not.
"""

import re

SOMETIMES = "Sometimes: "


class Uncovered:
    """What the file says: `reasons` by branch."""

    def __init__(self, path):
        self.path, self.reasons, self.problems = path, {}, []
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            reason = " ".join(line for line in paragraph.splitlines() if not line.startswith(" "))
            for branch in re.findall(r"^    (.*\S)$", paragraph, re.M):
                if branch in self.reasons:
                    self.problems.append(f"twice in {path.name}: {branch}")
                self.reasons[branch] = reason

    def compare(self, missed):
        """What is missed without a reason, and what has one and is reached or gone, as lines of text."""
        return [*self.problems,
                *(f"not reached, and not in {self.path.name}: {branch}" for branch in missed if branch not in self.reasons),
                *(f"in {self.path.name}, but reached or gone: {branch}" for branch, reason in self.reasons.items()
                  if branch not in missed and not reason.startswith(SOMETIMES))]
