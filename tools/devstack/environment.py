"""Python packages that Debian does not have, in an environment of their own: .dev/venv/NAME."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def virtual_environment(name, requirements, log, run=subprocess.call):
    """The folder, holding exactly what the file pins; it's made again when the file has changed. None when that fails,
    with the reason in the file `log`."""
    folder = ROOT / ".dev/venv" / name
    stamp, wanted = folder / "requirements.txt", requirements.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    with open(log, "wb") as output:
        for step in (["/usr/bin/python3", "-m", "venv", "--clear", folder],
                     [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                      "-r", requirements]):
            if run(step, stdout=output, stderr=output) != 0:
                return None
    stamp.write_text(wanted, encoding="utf-8")
    return folder
