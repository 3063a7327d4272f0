"""Analysis: the SQL that follows a `|`, over the records that the search text matches.

A worker process holds DuckDB and nothing else: no file, no network, no secret, bounded memory. It
is killed when a query takes too long; writes and searches never wait for it.

    dialect  checks a query, says which tables and columns it needs, and translates it to DuckDB's
    framing  messages between the two processes
    worker   the process: columns of log groups, kept for the next query, and DuckDB over them
    workers  the service's side: starts, feeds, times and kills workers
"""
