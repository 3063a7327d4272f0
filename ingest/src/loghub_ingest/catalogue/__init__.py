"""The catalogue: projects, Logstores, shards, keys, documents and checkpoints, in one SQL database.

`tables` says what is kept, `database` opens SQLite (one machine) or PostgreSQL (many replicas) and
brings it up to date, `names` keeps what every request looks up in memory; the other modules have a
table each. `storage.contract.Catalogue` is what they are together.
"""
