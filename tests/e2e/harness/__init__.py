"""The cluster harness: brings up a Kubernetes cluster for the end-to-end tests, and takes it away.

Run it as `python -m harness` with `tests/e2e` on PYTHONPATH (`__main__` is the command line).
`control_plane` is the small sibling: etcd and an API server without nodes, for tests of single
programs; `fixtures` offers it to pytest.
"""
