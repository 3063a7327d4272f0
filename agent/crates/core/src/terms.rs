//! What a pipeline agreed about its delivery besides the guarantee: how fast, in which shard, before
//! whom. `delivery` keeps to it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::plan::{Delivery, Source};
use crate::sharding::{self, Sharding};

/// What of the terms goes with a log group, into the spool too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// The hash key of its shard; without it the service chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Before whom it is sent.
    #[serde(default)]
    pub priority: Priority,
}

/// How often a source has its turn among those of its destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Priority {
    /// Four times as much as a normal one.
    High,
    /// As the others.
    #[default]
    Normal,
    /// A quarter of a normal one.
    Low,
}

/// The terms of one pipeline.
#[derive(Debug, Default)]
pub struct Terms {
    shard_by: Vec<String>,
    priority: Priority,
    pace: Option<Pace>,
}

impl Terms {
    /// Of a pipeline that asks for them so.
    #[must_use]
    pub fn new(delivery: &Delivery) -> Self {
        let pace = delivery.max_bytes_per_second.map(Pace::new);
        Self { shard_by: delivery.shard_by.clone(), priority: delivery.priority, pace }
    }

    /// How a log group of that source travels: equal values of the tags that the pipeline names make
    /// an equal hash key. A tag that the source does not have counts as empty.
    #[must_use]
    pub fn manner(&self, source: &Source) -> Manner {
        let value = |name: &String| sharding::tag(name, source).unwrap_or_default();
        let key = (!self.shard_by.is_empty()).then(|| {
            let values: Vec<_> = self.shard_by.iter().map(value).collect();
            format!("{:032x}", u128::from_be_bytes(Md5::digest(values.join("_")).into()))
        });
        Manner { key, priority: self.priority }
    }

    /// How the records of that source are told apart, where fields of theirs choose the shard.
    #[must_use]
    pub fn sharding(&self, source: &Source) -> Option<Sharding> {
        Sharding::new(&self.shard_by, source)
    }

    /// Whether something may be sent at `now`.
    #[must_use]
    pub fn allow(&self, now: Instant) -> bool {
        self.pace.as_ref().is_none_or(|pace| pace.allow(now))
    }

    /// So many bytes of content are sent; gives for how long the rate made them wait.
    pub fn spend(&self, bytes: u64, now: Instant) -> Duration {
        self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.spend(bytes, now))
    }
}

/// A rate that may be exceeded by one log group, which then is made up for.
#[derive(Debug)]
struct Pace {
    rate: f64,
    state: Mutex<PaceState>,
}

#[derive(Debug)]
struct PaceState {
    /// Bytes that may be sent at `since`; negative while there is something to make up for.
    left: f64,
    since: Option<Instant>,
    /// Since when somebody waits.
    refused: Option<Instant>,
}

#[allow(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
impl Pace {
    fn new(rate: u64) -> Self {
        let rate = rate.max(1) as f64;
        Self { rate, state: Mutex::new(PaceState { left: rate, since: None, refused: None }) }
    }

    fn allow(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *state.since.get_or_insert(now);
        // What is not used in a second is not saved up.
        let gained = now.saturating_duration_since(since).as_secs_f64() * self.rate;
        state.left = (state.left + gained).min(self.rate);
        state.since = Some(since.max(now));
        if state.left < 0.0 {
            state.refused.get_or_insert(now);
        }
        state.left >= 0.0
    }

    fn spend(&self, bytes: u64, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.left -= bytes as f64;
        let refused = state.refused.take();
        refused.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::Stream;

    /// A source with these tags.
    pub(crate) fn source(tags: &[(&str, &str)]) -> Source {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Source {
            id: "s".to_owned(),
            dir: "/".into(),
            streams: vec![Stream::Stdout],
            source: "10.0.0.1".to_owned(),
            tags: tags.collect(),
            ended: false,
            files: None,
        }
    }

    fn key(shard_by: &[&str], tags: &[(&str, &str)]) -> Option<String> {
        let shard_by = shard_by.iter().map(|name| (*name).to_owned()).collect();
        Terms::new(&Delivery { shard_by, ..Delivery::default() }).manner(&source(tags)).key
    }

    #[test]
    fn equal_values_of_the_named_tags_make_an_equal_key() {
        let (one, other) = ([("app", "shop"), ("pod", "a")], [("pod", "b"), ("app", "shop")]);
        assert_eq!(key(&[], &one), None);
        assert_eq!(key(&["app"], &one), key(&["app"], &other));
        assert_ne!(key(&["app", "pod"], &one), key(&["app", "pod"], &other));
        // md5("shop_10.0.0.1")
        let expected = Some("2e5d4689e1bff6dc845ee84b7d06ac7f".to_owned());
        assert_eq!(key(&["app", "__source__"], &one), expected);
    }

    #[test]
    fn rate_holds_over_time_and_says_how_long_it_made_wait() {
        let second = Duration::from_secs(1);
        let delivery = Delivery { max_bytes_per_second: Some(1000), ..Delivery::default() };
        let (terms, start) = (Terms::new(&delivery), Instant::now());
        let (mut sent, mut waited, mut now) = (0, Duration::ZERO, start);
        while now < start + 20 * second {
            if terms.allow(now) {
                waited += terms.spend(300, now);
                sent += 300;
            }
            now += second / 50;
        }
        assert!((20_000..=21_600).contains(&sent), "{sent}");
        assert!(waited > 17 * second, "{waited:?}");
        // An hour of silence does not allow a burst of more than a second.
        now += 3600 * second;
        let burst = (0..100).take_while(|_| terms.allow(now) && terms.spend(300, now) < 2 * second);
        assert!(burst.count() <= 4);
    }
}
