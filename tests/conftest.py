"""Fixtures for every test in Python. See tests/support for what they hand out."""

import itertools
import pathlib
import resource
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tools")]

import pytest  # noqa: E402

import contract  # noqa: E402
from checkout import Checkout  # noqa: E402
from infrastructure import Infrastructure  # noqa: E402
from proxy import Proxy  # noqa: E402
from shop import Shop, new_id  # noqa: E402
from stack import Stack  # noqa: E402

_stack_numbers = itertools.count(1)
_open_stacks = []


def pytest_configure(config):
    config.addinivalue_line("markers", "tsan: also run against services built with ThreadSanitizer")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # a login shell allows 1,024 files, which are too few for some tests
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    contract.watch()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Shows the end of each service's log beside a failure."""
    report = (yield).get_result()
    if report.failed:
        for stack in _open_stacks:
            for service in stack.services.values():
                report.sections.append((f"{stack.name} {service.name}: end of its log", service.tail(25)))


@pytest.fixture(autouse=True)
def _contract():
    """What a test saw of the services and of the topic is in contracts/, or the test fails."""
    yield
    wrong = contract.FINDINGS.take()
    assert not wrong, f"{len(wrong)} things that are not in contracts/:\n" + "\n".join(wrong[:20])


@pytest.fixture(scope="session")
def infrastructure():
    """One PostgreSQL and one Kafka for the whole run."""
    made = Infrastructure()
    yield made
    made.close()


@pytest.fixture(scope="module")
def private_infrastructure():
    """A PostgreSQL and a Kafka for this module alone, for tests that leave them unfit for others."""
    made = Infrastructure()
    yield made
    made.close()


class StackFactory:
    """Makes stacks, and closes those that were made within a test after it, the module's own after the module."""

    def __init__(self, infrastructure):
        self.infrastructure = infrastructure
        self.levels = [[]]

    def __call__(self, **options):
        made = Stack(self.infrastructure, f"s{next(_stack_numbers)}", **options)
        self.levels[-1].append(made)
        _open_stacks.append(made)
        return made

    def begin(self):
        self.levels.append([])

    def end(self):
        wrong = []
        for made in reversed(self.levels.pop()):
            _open_stacks.remove(made)
            wrong += made.close()
        assert not wrong, "\n\n".join(wrong)


@pytest.fixture(scope="module")
def stack_factory(infrastructure):
    """stack_factory(command_services=1, query_services=1, partitions=6, command_env={}, query_env={}) gives a Stack.

    Used by a test, the stack ends with the test; used by a fixture of module scope, with the module.
    """
    factory = StackFactory(infrastructure)
    yield factory
    factory.end()


@pytest.fixture(scope="module")
def private_stack_factory(private_infrastructure):
    """As stack_factory, on the PostgreSQL and Kafka of this module alone."""
    factory = StackFactory(private_infrastructure)
    yield factory
    factory.end()


@pytest.fixture(scope="module")
def stack(stack_factory):
    """A running stack that the module's tests share: each uses carts of its own, and leaves the processes alone."""
    return stack_factory()


@pytest.fixture
def shop(stack):
    return Shop(stack.command_url, stack.query_url)


@pytest.fixture
def cart(shop):
    """The id of a new one."""
    made = new_id()
    assert shop.create(made).status_code == 201
    return made


@pytest.fixture(autouse=True)
def _levels(request):
    """Ends a test's stacks after it, and revives the PostgreSQL or Kafka that a failed test has left down."""
    factories = [request.getfixturevalue(name) for name in ("stack_factory", "private_stack_factory")
                 if name in request.fixturenames]
    for factory in factories:
        factory.infrastructure.ensure_running()
        factory.begin()
    yield
    for factory in factories:
        factory.end()


@pytest.fixture
def proxy_factory():
    """proxy_factory(("127.0.0.1", port)) gives a Proxy that is closed after the test."""
    made = []

    def make(target):
        made.append(Proxy(target))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def checkout(tmp_path):
    """A Checkout, at a path as people choose them, which is ended after the test."""
    folder = tmp_path / "my carts #2"
    folder.mkdir()
    made = Checkout(folder)
    yield made
    made.check_logs()
    made.close()
