//! Stored LZ4 blocks made into the one block of a `PullLogs` answer, without decoding any of them.
//!
//! An LZ4 block is a row of sequences, literals and then a match, of which the last has literals
//! only. So a block's last literals, the next log group's head in the list and the next block's
//! first literals become the literals of one sequence, and all between is copied as it stands: a
//! match names a distance, which does not change. (`lz4_Block_format.md` of the LZ4 project.)

/// The least match; a sequence states what is beyond it.
const LEAST_MATCH: usize = 4;

/// What half a token can state; beyond, bytes follow that add up.
const HALF: usize = 15;

/// Field 1 of a `LogGroupList`, with a length.
const GROUP_TAG: u8 = 0x0a;

/// A block taken apart at its ends.
#[derive(Debug, Clone, Copy)]
enum Parts<'a> {
    /// Literals only.
    Literals(&'a [u8]),
    /// At least one match.
    Sequences {
        first: &'a [u8],
        /// How the first token states its match.
        match_half: u8,
        /// From the first match's distance to the last match's end.
        middle: &'a [u8],
        last: &'a [u8],
    },
}

/// The block of the `LogGroupList` whose groups are `blocks`, each with its raw size, and that
/// list's raw size. None when one is not a block of its size: the caller has to decode them.
#[must_use]
pub fn splice(blocks: &[(&[u8], usize)]) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::with_capacity(blocks.iter().map(|(block, _)| block.len() + 16).sum());
    let mut literals: Vec<u8> = Vec::new();
    let mut total = 0;
    for &(block, raw_size) in blocks {
        let before = literals.len();
        literals.push(GROUP_TAG);
        push_varint(&mut literals, raw_size);
        total += literals.len() - before + raw_size;
        match parts(block, raw_size)? {
            Parts::Literals(only) => literals.extend_from_slice(only),
            Parts::Sequences { first, match_half, middle, last } => {
                literals.extend_from_slice(first);
                push_literals(&mut out, &literals, match_half);
                out.extend_from_slice(middle);
                literals.clear();
                literals.extend_from_slice(last);
            }
        }
    }
    push_literals(&mut out, &literals, 0);
    Some((out, total))
}

fn parts(block: &[u8], raw_size: usize) -> Option<Parts<'_>> {
    let (token, mut at) = (*block.first()?, 1);
    let first = take_literals(block, token, &mut at)?;
    if at == block.len() {
        return (first.len() == raw_size).then_some(Parts::Literals(first));
    }
    let begin = at;
    let mut decoded = first.len() + take_match(block, token, &mut at)?;
    loop {
        let end = at;
        let token = *block.get(at)?;
        at += 1;
        let found = take_literals(block, token, &mut at)?;
        decoded += found.len();
        if at == block.len() {
            let middle = block.get(begin..end)?;
            let whole = decoded == raw_size && token << 4 == 0;
            return whole.then_some(Parts::Sequences {
                first,
                match_half: block.first()? & 0x0f,
                middle,
                last: found,
            });
        }
        decoded += take_match(block, token, &mut at)?;
        if decoded > raw_size {
            return None;
        }
    }
}

fn take_literals<'a>(block: &'a [u8], token: u8, at: &mut usize) -> Option<&'a [u8]> {
    let length = take_length(block, usize::from(token >> 4), at)?;
    let found = block.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(found)
}

/// Passes over a distance and the match's length, which it gives.
fn take_match(block: &[u8], token: u8, at: &mut usize) -> Option<usize> {
    block.get(*at..*at + 2)?;
    *at += 2;
    Some(take_length(block, usize::from(token & 0x0f), at)? + LEAST_MATCH)
}

fn take_length(block: &[u8], half: usize, at: &mut usize) -> Option<usize> {
    let mut length = half;
    if half == HALF {
        loop {
            let more = *block.get(*at)?;
            *at += 1;
            length += usize::from(more);
            if more != u8::MAX {
                break;
            }
        }
    }
    Some(length)
}

fn push_literals(out: &mut Vec<u8>, literals: &[u8], match_half: u8) {
    let half = u8::try_from(literals.len().min(HALF)).unwrap_or_default();
    out.push(half << 4 | match_half);
    if let Some(mut rest) = literals.len().checked_sub(HALF) {
        while rest >= usize::from(u8::MAX) {
            out.push(u8::MAX);
            rest -= usize::from(u8::MAX);
        }
        out.push(u8::try_from(rest).unwrap_or_default());
    }
    out.extend_from_slice(literals);
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while let Some(low) = u8::try_from(value & 0x7f).ok().filter(|_| value > 0x7f) {
        out.push(low | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}
