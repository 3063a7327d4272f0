//! Which records of a source go to the same shard by their own fields (`delivery.shardBy`).
//!
//! The values' MD5 is a place among hash keys, as with tags (`terms`). A log group travels under one
//! key, so a source has a group in the making for each of [`RANGES`] equal parts of the key space, not
//! for each value: equal values are in one part always, and a million values hold no more memory.

use md5::{Digest as _, Md5};

use crate::plan::Source;

/// Parts of the key space: a digit of a key. Groups grow smaller with each, and a source that needs
/// more than sixteen shards for itself has another bottleneck.
pub const RANGES: usize = 16;

#[derive(Debug, Clone)]
enum Value {
    /// Of a tag: the same for all records of the source.
    Tag(String),
    /// Of the record's field with that key.
    Field(String),
}

/// How the records of one source are told apart.
#[derive(Debug, Clone)]
pub struct Sharding(Vec<Value>);

impl Sharding {
    /// Of a source; None where all names are tags of it, so that its records have one key.
    #[must_use]
    pub fn new(names: &[String], source: &Source) -> Option<Self> {
        let tag = |name: &String| tag(name, source).map(str::to_owned);
        let value = |name: &String| tag(name).map_or(Value::Field(name.clone()), Value::Tag);
        let values: Vec<_> = names.iter().map(value).collect();
        values.iter().any(|value| matches!(value, Value::Field(_))).then_some(Self(values))
    }

    /// The part of a record; a field that it does not have counts as empty.
    pub fn range<'a>(
        &self,
        fields: &(impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone),
    ) -> usize {
        let mut hash = Md5::new();
        for (at, value) in self.0.iter().enumerate() {
            if at > 0 {
                hash.update(b"_");
            }
            match value {
                Value::Tag(value) => hash.update(value),
                Value::Field(name) => {
                    let field = fields.clone().find(|(key, _)| *key == name.as_bytes());
                    hash.update(field.map_or(&b""[..], |(_, value)| value));
                }
            }
        }
        hash.finalize().first().map_or(0, |byte| usize::from(byte >> 4))
    }

    /// The hash key of a part: its first one.
    #[must_use]
    pub fn key(range: usize) -> String {
        format!("{range:x}{:031}", 0)
    }
}

/// The value of a source's tag, of which its address is one.
#[must_use]
pub fn tag<'a>(name: &str, source: &'a Source) -> Option<&'a str> {
    if name == "__source__" {
        return Some(&source.source);
    }
    source.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Delivery;
    use crate::terms::tests::source;
    use crate::terms::Terms;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_that_are_all_tags_need_no_look_at_records() {
        let source = source(&[("app", "shop")]);
        assert!(Sharding::new(&names(&["app", "__source__"]), &source).is_none());
        assert!(Sharding::new(&[], &source).is_none());
        assert!(Sharding::new(&names(&["app", "user"]), &source).is_some());
    }

    proptest! {
        /// A record's part is the one in which its values' key lies, were they tags.
        #[test]
        fn part_of_a_record_is_that_of_its_values_key(user: String, rest: String) {
            let named = names(&["app", "user", "none"]);
            let by_field = Sharding::new(&named, &source(&[("app", "shop")])).unwrap();
            let fields = [(&b"a"[..], rest.as_bytes()), (b"user", user.as_bytes()), (b"user", b"2nd")];
            let range = by_field.range(&fields.into_iter());
            prop_assert!(range < RANGES);
            let tags = source(&[("app", "shop"), ("user", &user), ("none", "")]);
            let terms = Terms::new(&Delivery { shard_by: named, ..Delivery::default() });
            let key = terms.manner(&tags).key.unwrap();
            let first = Sharding::key(range);
            prop_assert_eq!(key.get(..1), first.get(..1));
            prop_assert!(first.len() == 32 && first <= key);
        }
    }
}
