"""One module per kind: look at the object and the world, make the world right, say so in status.

`context` is what all need. Each `reconcile` may be called at any time and any number of times.
"""
