//! The SLS LogHub wire format in Rust: the twin of the Python distribution `slswire`, for the agent's hot path.
