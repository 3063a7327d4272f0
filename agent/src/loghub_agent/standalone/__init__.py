"""The agent without Kubernetes: YAML documents instead of an API server, directories for pods.

`documents` reads LogPipelines and credentials, `containers` finds log directories and `running`
puts it together.
"""
