def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="write the counts of here into baseline.json")
