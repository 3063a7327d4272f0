//! Compression as SLS uses it: LZ4 as one raw block without frame or size prefix, zstd as one frame.

/// The LZ4 block of `data`.
#[must_use]
pub fn lz4(data: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(data)
}

/// The LZ4 block of `data`, made in `room`, which a sender of many keeps: memory that is new costs a
/// page fault every four kilobytes.
#[must_use]
pub fn lz4_in(room: &mut Vec<u8>, data: &[u8]) -> Vec<u8> {
    let most = lz4_flex::block::get_maximum_output_size(data.len());
    if room.len() < most {
        room.resize(most, 0);
    }
    match lz4_flex::block::compress_into(data, room) {
        Ok(length) => room.get(..length).unwrap_or_default().to_vec(),
        // There is always room.
        Err(_) => lz4(data),
    }
}

/// Logs compress well at once, and the sender's CPU is the user's; the Python twin has it too.
const ZSTD_LEVEL: i32 = 1;

/// The zstd frame of `data`, with its content size, which some readers need.
///
/// # Errors
/// The library refuses, which it does for want of memory only.
pub fn zstd(data: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(data, ZSTD_LEVEL)
}

#[cfg(test)]
mod tests {
    #[test]
    fn block_is_the_same_in_any_room() {
        let mut room = vec![7; 5];
        for data in [&b""[..], b"a line of a log\n", &b"line of a log\n".repeat(1000)] {
            assert_eq!(super::lz4_in(&mut room, data), super::lz4(data));
        }
    }

    #[test]
    fn zstd_frame_names_its_content_size_and_expands_to_the_same() {
        let data = b"line of a log\n".repeat(1000);
        let frame = super::zstd(&data).unwrap();
        assert!(frame.len() < data.len() / 8);
        let size = zstd::zstd_safe::get_frame_content_size(&frame).unwrap();
        assert_eq!(size, Some(data.len() as u64));
        assert_eq!(zstd::bulk::decompress(&frame, data.len()).unwrap(), data);
    }
}
