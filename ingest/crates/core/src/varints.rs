//! Numbers of seven bits a byte, as protobuf has them.

/// Appends `value`.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a length.
pub(crate) fn put_len(out: &mut Vec<u8>, value: usize) {
    put(out, value as u64);
}

/// Bytes that `value` takes.
pub(crate) fn len(value: usize) -> usize {
    let bits = (usize::BITS - (value | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

/// Takes a number off the beginning.
pub(crate) fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes a length off the beginning.
pub(crate) fn take_len(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(take(rest)?).ok()
}

/// Takes a number that is written in as few bytes as can be: what [`put`] would write again.
pub(crate) fn take_short(rest: &mut &[u8]) -> Option<u64> {
    let before = rest.len();
    let value = take(rest)?;
    let least = len(usize::try_from(value).ok()?);
    (before - rest.len() == least).then_some(value)
}

/// Takes `size` bytes off the beginning.
pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(size)?;
    *rest = after;
    Some(taken)
}

/// A difference (in two's complement) as a number that is small where the difference is, below 0 too.
pub(crate) fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ 0_u64.wrapping_sub(difference >> 63)
}

/// The difference that [`zigzag`] was given.
pub(crate) fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ 0_u64.wrapping_sub(value & 1)
}
