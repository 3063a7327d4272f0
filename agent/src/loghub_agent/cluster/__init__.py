"""The agent in a cluster: what it reads from the API server, and the one object it writes.

`access` says how to reach the server, `api` speaks HTTP, `reflector` keeps a sink up to date with
one resource, `sinks` are the three it needs, `keeper` saves them, `reporter` writes the AgentReport
and `running` puts it together. This is a small client of our own because every node pays for it:
importing the official one costs more memory than the rest of the agent together.
"""
