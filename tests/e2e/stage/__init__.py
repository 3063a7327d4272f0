"""What the end-to-end tests stand on: objects in the cluster, the release, the service's records.

Flow of a test: `kubernetes` applies objects, `workloads` makes pods that log numbered lines, and
`service` reads back what arrived. `release` installs the chart once for the session.
"""
