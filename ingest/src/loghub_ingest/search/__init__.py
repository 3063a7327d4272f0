"""Searching and analysing what is stored: `search text | SQL`.

grammar    the search text as a tree
document   the Logstore's index document: how fields are cut into words and compared
planning   tree and index document become the program that the compiled core runs
scanning   pages, counts, context and topics, group by group, within a time
highlights which words of the answer the query asked for
"""
