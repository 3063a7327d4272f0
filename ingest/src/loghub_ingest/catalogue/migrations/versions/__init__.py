"""One module per version, in order; a published one never changes."""
