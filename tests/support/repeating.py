"""Something that goes on while a test does something else."""

import threading


class Repeating:
    """`with` it … `turn()` is called again and again, `pause` seconds apart, in a thread of its own."""

    def __init__(self, pause):
        self.pause = pause
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def turn(self):
        raise NotImplementedError

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        while not self.stopping.wait(self.pause):
            self.turn()
