"""`loghub import`: other collectors' Kubernetes configurations as our resources.

`documents` reads a file and knows what it is; `alibaba`, `fluentbit` and `promtail` translate, each
into what `resources` builds; `command` prints. What has no counterpart is a note, never a guess.
"""
