"""Log groups on Apache Kafka: a Logstore is a topic, a shard a partition, a cursor an offset.

`address` reads what `--storage` says, `topics` administers, `producing` appends, `fetching` reads,
`frames` is the form of a record; `storage` makes a `contract.LogStorage` of them, with names in the
PostgreSQL catalogue (`catalogue.replicas`). Nothing is kept in the process: any number of replicas
serve the same Logstores.
"""
