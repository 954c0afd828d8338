"""What cartledger runs on, as processes of one checkout: PostgreSQL, Kafka and the two services.

`./dev` (cli.py) and the tests (tests/support) start them through the same classes.
"""
