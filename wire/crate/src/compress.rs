//! LZ4 as SLS uses it: one raw block, no frame, no size prefix.

/// The LZ4 block of `data`.
#[must_use]
pub fn lz4(data: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(data)
}
