"""Real processes, real files, and faults at chosen moments, for the agent's fault suite."""
