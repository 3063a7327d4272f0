//! What a packed frame holds: log groups compressed, and the filter of their words.
//!
//! The groups are taken apart by field ([`crate::columns`]) before zstd sees them; where that
//! cannot be undone to the very byte they are compressed as they are. The first byte says which.

use crate::filters::Collector;
use crate::{columns, filters};

/// The groups one after the other.
const WHOLE: u8 = 0;
/// The groups by field.
const SPLIT: u8 = 1;

/// Higher ones take more CPU and make logs of containers no smaller.
const LEVEL: i32 = 1;

/// The log groups compressed, and their filter. What was compressed is read back here, so that no
/// fault of an encoder is found when the log is gone.
///
/// # Errors
/// A sentence, where they cannot be compressed.
pub fn pack(raws: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut words = Collector::default();
    let split = columns::split(raws, &mut words);
    let whole = raws.concat();
    for (kind, data) in [(SPLIT, &split), (WHOLE, &whole)] {
        let mut packed = vec![kind];
        packed.extend(zstd::bulk::compress(data, LEVEL).map_err(|fault| fault.to_string())?);
        if unpack(&packed, whole.len()).is_some_and(|found| found == whole) {
            return Ok((packed, filters::build(words)));
        }
    }
    Err("what was compressed does not read back".to_owned())
}

/// The log groups one after the other, `size` bytes; None where it is not that.
#[must_use]
pub fn unpack(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let (&kind, data) = packed.split_first()?;
    match kind {
        WHOLE => whole(data, size),
        SPLIT => {
            let data = zstd::bulk::decompress(data, most_split(size)).ok()?;
            columns::join(&data, size)
        }
        _ => None,
    }
}

/// Bytes of groups taken apart, at the most: numbers name what was there in other words. Where that
/// takes more, the groups are kept whole.
fn most_split(size: usize) -> usize {
    2 * size + 4096
}

/// What packs of the first version hold: the log groups one after the other, under zstd.
#[must_use]
pub fn whole(data: &[u8], size: usize) -> Option<Vec<u8>> {
    zstd::bulk::decompress(data, size).ok().filter(|found| found.len() == size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_back_split_or_whole() {
        let mut raw = Vec::new();
        for n in 0..100_u32 {
            slswire::group::log(&mut raw, n, n, &[(b"content", format!("line {n}").as_bytes())]);
        }
        let odd: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for raws in [vec![&raw[..]], vec![&odd[..], &raw[..]], vec![], vec![&b""[..]]] {
            let (packed, _) = pack(&raws).unwrap();
            let whole = raws.concat();
            assert_eq!(unpack(&packed, whole.len()).as_deref(), Some(&*whole));
            assert_eq!(unpack(&packed, whole.len() + 1), None);
            for end in 0..packed.len() {
                assert_eq!(unpack(&packed[..end], whole.len()), None, "cut at {end}");
            }
        }
    }

    #[test]
    fn frames_of_the_first_version_are_read() {
        let data = zstd::bulk::compress(b"as it was", 1).unwrap();
        assert_eq!(whole(&data, 9).as_deref(), Some(&b"as it was"[..]));
        assert_eq!(whole(&data, 8), None);
    }
}
