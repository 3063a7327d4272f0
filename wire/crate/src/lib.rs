//! The SLS `LogHub` wire format in Rust, for the agent's hot path.
