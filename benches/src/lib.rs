//! What benches share: what the machine can do at all, over the same bytes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::Mmap;

/// The sum of 8-byte words, with sixteen sums at once: as fast as memory is read.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let mut sums = [0u64; 16];
    let (blocks, rest) = words.as_chunks::<16>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    let rest = rest.iter().map(|word| u64::from_le_bytes(*word));
    sums.into_iter().chain(rest).fold(0, u64::wrapping_add)
}

/// Maps a file, which nobody may shorten meanwhile.
///
/// # Panics
///
/// If the file is not there.
pub fn mapped(path: &Path) -> Mmap {
    let file = File::open(path).expect("the file is there");
    // SAFETY: nobody writes to the file while a bench runs.
    #[expect(unsafe_code, reason = "the peer that is measured")]
    unsafe {
        Mmap::map(&file).expect("the file can be mapped")
    }
}

/// The sum of a mapped file, by as many threads.
///
/// # Panics
///
/// If the file is not there.
pub fn sum_mapped(path: &Path, n_threads: usize) -> u64 {
    let mapping = mapped(path);
    let chunks: Vec<_> = mapping.chunks(4 << 20).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut total = 0u64;
        while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            total = total.wrapping_add(sum(chunk));
        }
        total
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
        let first = work();
        others.into_iter().fold(first, |a, b| a.wrapping_add(b.join().expect("no panic")))
    })
}

/// Writes so many zeros to a new file, one MiB after another, as `dd bs=1M` does.
///
/// Errors: what the system says.
pub fn write_raw(path: &Path, len: u64, sync: bool) -> io::Result<()> {
    let zeros = vec![0u8; 1 << 20];
    let mut file = File::create(path)?;
    let mut rest = len;
    while rest > 0 {
        let n = rest.min(1 << 20);
        file.write_all(&zeros[..n as usize])?;
        rest -= n;
    }
    if sync { file.sync_all() } else { Ok(()) }
}
