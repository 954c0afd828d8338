#!/usr/bin/python3
"""Fills a man page with what the program itself says: man_page.py TEMPLATE VERSION TARGET PROGRAM ARGUMENT…

@OPTIONS@ and @SETTINGS@ become what `PROGRAM --help` lists, so that the page cannot say anything else.
"""

import re
import subprocess
import sys
from pathlib import Path


def escape(text):
    """As roff takes it literally: hyphens that can be copied, no line that begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(pairs):
    return "\n".join(f".TP\n.B {escape(term)}\n{escape(meaning)}" for term, meaning in pairs)


def options(help_text):
    """(option, meaning) of each line of the list; a meaning may stand on the line below."""
    found = re.findall(r"^  (--\S+(?: [A-Z][\w|:]*| all\|\S+)?)(?: {2,}|\n {4,})(\S.*)$", help_text, re.M)
    if len(found) != len(re.findall(r"^  --", help_text, re.M)):
        sys.exit(f"man_page.py: an option of --help is not understood:\n{help_text}")
    return found


def settings(help_text):
    """(name with its default, meaning) of each setting."""
    return re.findall(r"^  ([A-Z][A-Z0-9_]+(?: \((?:required|default .*)\))?)\n {6}(\S.*)$", help_text, re.M)


def main():
    template, version, target, *command = sys.argv[1:]
    help_text = subprocess.run([*command, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    page = Path(template).read_text(encoding="utf-8").replace("@VERSION@", version)
    page = page.replace("@OPTIONS@", paragraphs(options(help_text)))
    Path(target).write_text(page.replace("@SETTINGS@", paragraphs(settings(help_text))), encoding="utf-8")


if __name__ == "__main__":
    main()
