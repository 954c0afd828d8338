"""Something that goes on while a test does something else."""

import threading


class Clients:
    """`with` it … `run(number)` is under way in each of `count` threads, until `stopping` is set."""

    def __init__(self, count):
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(count)]

    def run(self, number):
        raise NotImplementedError

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Repeating(Clients):
    """`with` it … `turn()` is called again and again, `pause` seconds apart, in a thread of its own."""

    def __init__(self, pause):
        super().__init__(1)
        self.pause = pause

    def turn(self):
        raise NotImplementedError

    def run(self, _):
        while not self.stopping.wait(self.pause):
            self.turn()
