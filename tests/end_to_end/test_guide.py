"""docs/guide.md from its first block to its last, in one shell, in a checkout where nothing has ever been started."""

import re

from checkout import ROOT

END_OF_BLOCK = "\x01"


def blocks():
    """(commands, the output shown below them or None) of each block."""
    text = (ROOT / "docs/guide.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```\n(?:```(?:json|text)\n(.*?)^```\n)?", text, re.M | re.S)


def squeezed(text):
    return re.sub(r"\s", "", text)


def shows(wanted, text):
    """Whether `text` is `wanted`, where … stands for anything and white space for nothing."""
    return re.fullmatch(".*".join(map(re.escape, squeezed(wanted).split("…"))), squeezed(text))


def test_given_a_checkout_then_each_block_of_the_guide_does_what_it_says(checkout):
    wanted = blocks()
    done = checkout.run("".join(f"{commands}printf '{END_OF_BLOCK}'\n" for commands, _ in wanted))
    printed = done.stdout.split(END_OF_BLOCK)[:-1]
    for (commands, shown), text in zip(wanted, printed):
        assert not shown or shows(shown, text), f"{commands}printed:\n{text}"
    assert done.returncode == 0 and len(printed) == len(wanted) > 10, done.stdout[-2000:] + done.stderr
