"""The web console: pages to look at records and to change a Logstore's settings, under /console/.

`application` answers what no call of the API does, so the API's own path costs nothing more.
`sessions` and `entering` turn a log-in into the same `requests.Call` that a signature makes; from
there on the handlers are the API's own, with its rights, quotas and bounds. What only a page needs
is in `showing`, `exporting` and `pages`. Scripts and styles are files of `assets`, sent as they
are; what a record holds reaches a page as JSON only, and its scripts put it there as text.
"""
