//! Checksums of large values, by several threads.

use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::crc32c;
use crate::parallel::in_parallel;

/// Bytes that one thread takes at a time. They stay in the processor's cache between reading and
/// checking.
const CHUNK_LEN: usize = 1 << 20;
/// Fewer bytes are not worth a second thread.
const PARALLEL_LEN: usize = 16 << 20;

/// The checksum of `bytes`.
pub(super) fn of(bytes: &[u8], n_threads: usize) -> u32 {
    if bytes.len() < PARALLEL_LEN || n_threads < 2 {
        return crc32c::crc32c(bytes);
    }
    let chunk = |_: u64, bytes: &[u8]| Ok(crc32c::crc32c(bytes));
    each_chunk(bytes.chunks(CHUNK_LEN), n_threads, chunk).unwrap_or_default()
}

/// Fills `out` by `read`, which is told where each stretch begins, and gives the checksum.
pub(super) fn of_read(
    out: &mut [u8],
    n_threads: usize,
    read: impl Fn(u64, &mut [u8]) -> Result<(), Error> + Sync,
) -> Result<u32, Error> {
    let n_threads = if out.len() < PARALLEL_LEN { 1 } else { n_threads };
    each_chunk(out.chunks_mut(CHUNK_LEN), n_threads, |at, chunk| {
        read(at, chunk)?;
        Ok(crc32c::crc32c(chunk))
    })
}

/// Calls `checksum` with each chunk and the place where it begins, and joins what it gives.
fn each_chunk<C: AsRef<[u8]> + Send>(
    chunks: impl Iterator<Item = C> + Send,
    n_threads: usize,
    checksum: impl Fn(u64, C) -> Result<u32, Error> + Sync,
) -> Result<u32, Error> {
    let mut end = 0u64;
    let queue = Mutex::new(chunks.map(|chunk| {
        let at = end;
        end = end.saturating_add(u64::try_from(chunk.as_ref().len()).unwrap_or(u64::MAX));
        (at, end.saturating_sub(at), chunk)
    }));
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, len, chunk)) = next else { return Ok::<_, Error>(done) };
            done.push((at, len, checksum(at, chunk)?));
        }
    };
    let mut done = in_parallel(n_threads, work)?;
    done.sort_unstable();
    let mut joined = crc32c::Joined::new();
    done.into_iter().for_each(|(_, len, chunk)| joined.add(chunk, len));
    Ok(joined.crc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let bytes: Vec<u8> = (0..PARALLEL_LEN + 5).map(|i| (i * 7 + i / 255) as u8).collect();
        let expected = crc32c::crc32c(&bytes);
        for n_threads in [1, 2, 5] {
            assert_eq!(of(&bytes, n_threads), expected);
            let mut out = vec![0; bytes.len()];
            let read = |at: u64, out: &mut [u8]| {
                out.copy_from_slice(&bytes[at as usize..][..out.len()]);
                Ok(())
            };
            assert_eq!(of_read(&mut out, n_threads, read).unwrap(), expected);
            assert_eq!(out, bytes);
        }
        let fail = |at: u64, _: &mut [u8]| match at {
            0 => Ok(()),
            _ => Err(Error::invalid("no")),
        };
        assert_eq!(of_read(&mut vec![0; PARALLEL_LEN], 2, fail).unwrap_err().to_string(), "no");
    }
}
