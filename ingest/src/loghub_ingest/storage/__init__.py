"""Where log groups and the names around them are kept.

`contract` says what any storage does; `embedded` is the one for one machine and one volume: log
groups in `segments` (an append-only log, written by `committer`; old ones become `packs`), names
and keys in the catalogue (SQLite). The API modules see the contract only.
"""
