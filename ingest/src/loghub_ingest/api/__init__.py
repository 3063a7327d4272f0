"""The API, one module per family of calls: each function takes a `requests.Call`, gives an answer.

`routes` says which path is whose.
"""
