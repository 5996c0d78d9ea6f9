//! Values that are computed, many at a time, by several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::data::{CHUNK_LEN, DataFile, Extent};
use crate::parallel::in_parallel;
use crate::{Error, crc32c};

/// A stretch of a value.
struct Piece {
    /// The number of the value.
    number: usize,
    /// Where it begins within the value, its length, and where it begins in the file.
    at: u64,
    len: u64,
    offset: u64,
}

impl DataFile {
    /// Appends values of these lengths, each from a multiple of `alignment` on, whose bytes `fill` gives:
    /// it is told the number of a value and where in it a stretch begins. Stretches may be asked for in
    /// any order and by several threads; in each value all begin, and all but the last end, at
    /// multiples of 512 KiB.
    pub(crate) fn append_many<E: From<Error> + Send>(
        &mut self,
        lens: &[u64],
        alignment: u64,
        fill: impl Fn(usize, u64, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Vec<Extent>, E> {
        self.flush()?;
        let start = self.len();
        let (mut extents, mut chunks) = (Vec::with_capacity(lens.len()), Vec::new());
        let mut end = start;
        for (number, len) in lens.iter().copied().enumerate() {
            let offset = end;
            extents.push(Extent { offset, len, crc32c: 0 });
            for at in (0..len).step_by(usize::try_from(CHUNK_LEN).unwrap_or(usize::MAX)) {
                let len = (len - at).min(CHUNK_LEN);
                add_piece(
                    &mut chunks,
                    Piece { number, at, len, offset: offset.saturating_add(at) },
                );
            }
            end = offset.saturating_add(len).next_multiple_of(alignment.max(1));
        }

        let next = AtomicUsize::new(0);
        let file = self.open_file()?;
        let n_threads = self.n_threads().min(chunks.len());
        let checksums = in_parallel(n_threads, || {
            let (mut buffer, mut done) = (Vec::new(), Vec::new());
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let result = fill_chunk(chunk, &mut buffer, &fill, &mut done);
                let offset = chunk.first().map_or(0, |piece| piece.offset);
                let result = result.and_then(|()| {
                    let written = file.write_all_at(&buffer, offset);
                    Ok(written.map_err(Error::io(self.path()))?)
                });
                if let Err(error) = result {
                    // No other thread needs to begin anything more.
                    next.store(chunks.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(done)
        });
        let mut checksums = checksums?;
        checksums.sort_unstable();
        let mut checksums = checksums.into_iter().peekable();
        for (number, extent) in extents.iter_mut().enumerate() {
            let mut joined = crc32c::Joined::new();
            while let Some((_, _, len, crc)) = checksums.next_if(|piece| piece.0 == number) {
                joined.add(crc, len);
            }
            extent.crc32c = joined.crc();
        }
        self.skip_to(end);
        Ok(extents)
    }
}

/// Adds a piece to the last chunk if that stays short enough.
fn add_piece(chunks: &mut Vec<Vec<Piece>>, piece: Piece) {
    let end = piece.offset.saturating_add(piece.len);
    match chunks.last_mut() {
        Some(chunk)
            if chunk.first().is_some_and(|first| end.saturating_sub(first.offset) <= CHUNK_LEN) =>
        {
            chunk.push(piece);
        }
        _ => chunks.push(vec![piece]),
    }
}

/// Number of a value, place and length of a stretch, and its checksum.
type Checksum = (usize, u64, u64, u32);

fn fill_chunk<E>(
    chunk: &[Piece],
    buffer: &mut Vec<u8>,
    fill: &impl Fn(usize, u64, &mut [u8]) -> Result<(), E>,
    checksums: &mut Vec<Checksum>,
) -> Result<(), E> {
    let Some((first, last)) = chunk.first().zip(chunk.last()) else { return Ok(()) };
    let start = first.offset;
    let index = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
    buffer.clear();
    // What lies between values is zeros.
    buffer.resize(index(last.offset.saturating_add(last.len)), 0);
    for Piece { number, at, len, offset } in chunk {
        let stretch = index(*offset)..index(offset.saturating_add(*len));
        let out = buffer.get_mut(stretch).unwrap_or_default();
        fill(*number, *at, out)?;
        checksums.push((*number, *at, *len, crc32c::crc32c(out)));
    }
    Ok(())
}
