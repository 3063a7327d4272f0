//! A record that is not finished, as a checkpoint carries it over a restart: with it a checkpoint may
//! name the place up to which lines were read, and no line is read twice. `joining` gives and takes
//! it, for sources whose records arrive exactly once.

use serde::{Deserialize, Serialize};

use crate::plan::Stream;

/// What was joined so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Whether the runtime's parts of a line are joined, or the lines of a record.
    pub part: bool,
    /// Which output.
    pub stream: Stream,
    /// Unix seconds of its first line.
    pub time: u32,
    /// Nanoseconds within the second.
    pub time_ns: u32,
    /// The time as it stands in the file.
    #[serde(with = "bytes")]
    pub stamp: Vec<u8>,
    /// What was written.
    #[serde(with = "bytes")]
    pub content: Vec<u8>,
    /// Where the rule stands.
    #[serde(default)]
    pub state: u32,
}

/// Bytes as a text whose characters are theirs: a part may end in the midst of a character.
mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ptr_arg, reason = "serde gives a reference to the field")]
    pub(super) fn serialize<S: Serializer>(bytes: &Vec<u8>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |each: char| u8::try_from(u32::from(each)).unwrap_or(b'?');
        Ok(text.chars().map(byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let carried = Carried {
            part: true,
            stream: Stream::Stderr,
            time: 1,
            time_ns: 2,
            stamp: b"2026".to_vec(),
            content: (0..=255).collect(),
            state: 3,
        };
        let text = serde_json::to_string(&carried).unwrap();
        assert_eq!(serde_json::from_str::<Carried>(&text).unwrap(), carried);
    }
}
