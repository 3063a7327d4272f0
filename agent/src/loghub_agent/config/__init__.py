"""LogPipeline documents: `raw` as written, `plan` resolved. Everything else sees only `plan`."""
