"""The resources as typed models: the source of the CRDs and of every default.

`model` holds what all share, one module per kind its fields and rules, `crds` renders the
definitions that `make generate` writes to `crds/`.
"""
