"""What ./dev bench is made of: servers of its own, loads, probes, and the arithmetic that makes figures of them."""
