"""Files that nobody else may read, written whole or not at all."""
import os


def write_private(path, text):
    """On a full disk, or when it is interrupted, the file stays what it was: half of it would be in the way for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
