//! The generator behind all random ops: Philox4x32-10.
//!
//! Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (2011). A block of four
//! words is a function of a key and a counter alone, so that any part of a stream can be computed
//! without what comes before it.

/// A stream of blocks: a key, and the counter of the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Philox {
    key: u64,
    counter: u128,
}

impl Philox {
    /// The stream of a key, from the block with this counter, given in two halves.
    pub(super) fn new(key: u64, low: u64, high: u64) -> Philox {
        Philox { key, counter: u128::from(high) << 64 | u128::from(low) }
    }

    /// The same stream, `n_blocks` further on.
    pub(super) fn skip(self, n_blocks: u64) -> Philox {
        Philox { counter: self.counter.wrapping_add(n_blocks.into()), ..self }
    }

    /// The key, and the lower and upper half of the counter of the next block.
    pub(super) fn key_and_counter(self) -> (u64, [u64; 2]) {
        (self.key, [self.counter as u64, (self.counter >> 64) as u64])
    }

    /// The next block.
    #[inline]
    pub(super) fn next(&mut self) -> [u32; 4] {
        let block = block(self.key, self.counter);
        self.counter = self.counter.wrapping_add(1);
        block
    }

    /// The words of the stream one by one.
    pub(super) fn words(mut self) -> impl FnMut() -> u32 {
        let mut block = [0; 4];
        let mut n_used = 4;
        move || {
            if n_used == 4 {
                block = self.next();
                n_used = 0;
            }
            n_used += 1;
            block[n_used - 1]
        }
    }
}

#[inline(always)]
fn block(key: u64, counter: u128) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let (mut key_low, mut key_high) = (key as u32, (key >> 32) as u32);
    let mut words = [0, 32, 64, 96].map(|shift| (counter >> shift) as u32);
    for _ in 0..10 {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(words[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(words[2]);
        words = [
            (b >> 32) as u32 ^ words[1] ^ key_low,
            b as u32,
            (a >> 32) as u32 ^ words[3] ^ key_high,
            a as u32,
        ];
        key_low = key_low.wrapping_add(KEY_STEPS[0]);
        key_high = key_high.wrapping_add(KEY_STEPS[1]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with their code.
    #[test]
    fn blocks_are_the_published_ones() {
        let block = |key, low, high| Philox::new(key, low, high).next();
        assert_eq!(block(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u64::MAX;
        assert_eq!(block(ones, ones, ones), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            block(0x299f_31d0_a409_3822, 0x85a3_08d3_243f_6a88, 0x0370_7344_1319_8a2e),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn skipping_is_drawing_and_the_counter_carries() {
        let mut stream = Philox::new(7, u64::MAX - 1, 3);
        let skipped = stream.skip(3);
        (0..3).for_each(|_| {
            stream.next();
        });
        assert_eq!(stream, skipped);
        assert_eq!(stream, Philox::new(7, 1, 4));
    }

    #[test]
    fn words_come_in_the_order_of_blocks() {
        let mut stream = Philox::new(1, 2, 3);
        let mut words = stream.words();
        let drawn: Vec<u32> = (0..8).map(|_| words()).collect();
        assert_eq!(drawn, [stream.next(), stream.next()].concat());
    }
}
