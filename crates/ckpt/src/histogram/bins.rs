use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_tensor::DType;

use super::Histogram;
use crate::numbers::{BLOCK_LEN, Decoder};

/// The bins of a histogram while several threads count.
#[derive(Debug)]
pub(crate) struct Bins {
    edges: Vec<f64>,
    counts: Vec<AtomicU64>,
    n_below: AtomicU64,
    n_above: AtomicU64,
    /// Whether every finite value is known to be in the range.
    covers_all: bool,
    /// Bins per unit.
    density: f64,
    /// A value whose place, counted in bins, is less than this away from the middle of a bin lies in
    /// that bin in spite of all rounding.
    margin: f64,
}

/// Counts of one thread. Of each bin there are four, taken in turn, so that an increment need not wait
/// for the one before.
struct Tally {
    counts: Vec<[u32; 4]>,
    /// The bins of the values of a block.
    bins: [u32; BLOCK_LEN],
    n_below: u64,
    n_above: u64,
}

/// 1.5 × 2⁵²: a float that this has been added to holds an integer in its lower bits.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

impl Bins {
    /// So many equal bins over a range, or over one that NumPy would choose for no values.
    pub(crate) fn new(n_bins: usize, range: Option<(f64, f64)>, covers_all: bool) -> Bins {
        let (first, last) = match range {
            None => (0.0, 1.0),
            Some((first, last)) if first == last => (first - 0.5, last + 0.5),
            Some(range) => range,
        };
        let density = n_bins as f64 / (last - first);
        let rounding = f64::EPSILON * 8.0 * (n_bins as f64 + first.abs().max(last.abs()) * density);
        Bins {
            edges: edges(first, last, n_bins),
            counts: (0..n_bins).map(|_| AtomicU64::new(0)).collect(),
            n_below: AtomicU64::new(0),
            n_above: AtomicU64::new(0),
            covers_all,
            density,
            margin: if density > 0.0 { 0.5 - 1e-9 - rounding } else { 0.0 },
        }
    }

    /// Counts the finite ones of the elements of a stretch; complex numbers by their magnitude.
    pub(crate) fn count(&self, dtype: DType, bytes: &[u8]) {
        let mut tally = self.tally();
        Decoder::new(dtype).blocks(bytes, |values| self.count_block(&mut tally, values));
        self.add(&tally);
    }

    /// Counts the finite ones of some values.
    pub(crate) fn count_values(&self, values: &[f64]) {
        for values in values.chunks(BLOCK_LEN << 8) {
            let mut tally = self.tally();
            values.chunks(BLOCK_LEN).for_each(|block| self.count_block(&mut tally, block));
            self.add(&tally);
        }
    }

    /// Counts a finite value so many times.
    pub(crate) fn count_times(&self, value: f64, n: u64) {
        let counter = match self.bin_of(value) {
            Ok(bin) => &self.counts[bin],
            Err(Outside::Below) => &self.n_below,
            Err(Outside::Above) => &self.n_above,
        };
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn into_histogram(self) -> Histogram {
        Histogram {
            edges: self.edges,
            counts: self.counts.into_iter().map(AtomicU64::into_inner).collect(),
            n_below: self.n_below.into_inner(),
            n_above: self.n_above.into_inner(),
        }
    }

    fn tally(&self) -> Tally {
        let counts = vec![[0; 4]; self.counts.len()];
        Tally { counts, bins: [0; BLOCK_LEN], n_below: 0, n_above: 0 }
    }

    fn add(&self, tally: &Tally) {
        for (total, counts) in self.counts.iter().zip(&tally.counts) {
            let n = counts.iter().map(|count| u64::from(*count)).sum();
            if n > 0 {
                total.fetch_add(n, Ordering::Relaxed);
            }
        }
        self.n_below.fetch_add(tally.n_below, Ordering::Relaxed);
        self.n_above.fetch_add(tally.n_above, Ordering::Relaxed);
    }

    fn count_block(&self, tally: &mut Tally, values: &[f64]) {
        if self.are_inside(values) && self.guess(values, &mut tally.bins) {
            let bins = &tally.bins[..values.len()];
            let (rows, rest) = bins.as_chunks::<4>();
            for row in rows {
                for (turn, bin) in row.iter().enumerate() {
                    tally.counts[*bin as usize][turn] += 1;
                }
            }
            rest.iter().for_each(|bin| tally.counts[*bin as usize][0] += 1);
            return;
        }
        for (turn, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            match self.bin_of(*value) {
                Ok(bin) => tally.counts[bin][turn % 4] += 1,
                Err(Outside::Below) => tally.n_below += 1,
                Err(Outside::Above) => tally.n_above += 1,
            }
        }
    }

    fn are_inside(&self, values: &[f64]) -> bool {
        let (first, last) = self.range();
        let is_inside = |value: &f64| u64::from((first <= *value) & (*value <= last));
        self.covers_all || values.iter().map(is_inside).sum::<u64>() == values.len() as u64
    }

    /// The bins of values, by multiplication; false if one is so near an edge that edges must decide, or
    /// is not finite. Values outside of the range may get any bin.
    fn guess(&self, values: &[f64], bins: &mut [u32; BLOCK_LEN]) -> bool {
        let ((first, _), density, margin) = (self.range(), self.density, self.margin);
        let mut n_unsure = 0;
        for (bin, value) in bins.iter_mut().zip(values) {
            let place = (value - first) * density - 0.5;
            let shifted = place + TO_INTEGER;
            let off = place - (shifted - TO_INTEGER);
            let is_sure = off.abs() < margin;
            n_unsure += u64::from(!is_sure);
            *bin = shifted.to_bits() as u32;
        }
        n_unsure == 0
    }

    /// The bin of a finite value, by the edges.
    fn bin_of(&self, value: f64) -> Result<usize, Outside> {
        let (first, last) = self.range();
        if value < first {
            return Err(Outside::Below);
        }
        if value > last {
            return Err(Outside::Above);
        }
        let last_bin = self.counts.len() - 1;
        let guess = (((value - first) * self.density) as usize).min(last_bin);
        let is_below_upper = guess == last_bin || value < self.edges[guess + 1];
        if self.edges[guess] <= value && is_below_upper {
            return Ok(guess);
        }
        let n_edges_below = self.edges.partition_point(|edge| *edge <= value);
        Ok(n_edges_below.saturating_sub(1).min(last_bin))
    }

    fn range(&self) -> (f64, f64) {
        (self.edges[0], self.edges[self.edges.len() - 1])
    }
}

enum Outside {
    Below,
    Above,
}

/// As `numpy.linspace` places them.
fn edges(first: f64, last: f64, n_bins: usize) -> Vec<f64> {
    let n = n_bins as f64;
    let (length, step) = (last - first, (last - first) / n);
    let edge = |idx: usize| match idx as f64 {
        _ if idx == n_bins => last,
        // NumPy has no edges where the length overflows, and refuses bins that have no width.
        idx if length.is_infinite() => first * (1.0 - idx / n) + last * (idx / n),
        idx if step == 0.0 => idx / n * length + first,
        idx => idx * step + first,
    };
    (0..=n_bins).map(|idx| edge(idx).min(last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: each value in the last bin whose lower edge it reaches.
    fn naive(edges: &[f64], values: &[f64]) -> (Vec<u64>, u64, u64) {
        let n_bins = edges.len() - 1;
        let (mut counts, mut below, mut above) = (vec![0; n_bins], 0, 0);
        for value in values.iter().filter(|value| value.is_finite()) {
            match edges.iter().rposition(|edge| edge <= value) {
                None => below += 1,
                Some(_) if *value > edges[n_bins] => above += 1,
                Some(bin) => counts[bin.min(n_bins - 1)] += 1,
            }
        }
        (counts, below, above)
    }

    #[test]
    fn counts_follow_the_edges() {
        let grid: Vec<f64> =
            (0..5000).map(|i| f64::from((i * 7919) % 4001) / 16.0 - 100.0).collect();
        let mut odd = grid.clone();
        odd.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.0, -0.0]);
        let near: Vec<f64> = (0..3000).map(|i| 1.0 + f64::from(i % 9) * f64::EPSILON).collect();
        let tiny: Vec<f64> = (0..3000).map(|i| f64::from(i % 9) * 5e-324).collect();
        let random: Vec<f64> =
            (0..5000u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761)) / 4294967296.0).collect();
        let max = f64::MAX;
        let cases: [(&[f64], (f64, f64)); 8] = [
            (&grid, (-100.0, 150.0)),
            (&odd, (-50.0, 50.0)),
            (&odd, (-1e300, 1e300)),
            (&near, (1.0, 1.0 + 8.0 * f64::EPSILON)),
            (&tiny, (0.0, 4e-323)),
            (&random, (0.0, 1.0)),
            (&random, (0.25, 0.5)),
            (&[-max, max, 0.0, 1.0, -1.0], (-max, max)),
        ];
        for (values, (first, last)) in cases {
            for n_bins in [1, 2, 10, 64, 1000] {
                let is_inside =
                    |value: &&f64| value.is_finite() && (**value < first || **value > last);
                let covers_all = values.iter().find(is_inside).is_none();
                for covers_all in [false, covers_all] {
                    let bins = Bins::new(n_bins, Some((first, last)), covers_all);
                    bins.count_values(values);
                    let expected = naive(&bins.edges, values);
                    let found = bins.into_histogram();
                    let found = (found.counts, found.n_below, found.n_above);
                    assert_eq!(found, expected, "{first} {last} {n_bins} {covers_all}");
                }
            }
        }
    }

    #[test]
    fn most_values_need_no_look_at_the_edges() {
        let values: Vec<f64> = (0..1000u32).map(|i| f64::from(i * 31 % 1009) + 0.33).collect();
        let bins = Bins::new(20, Some((0.0, 1009.0)), true);
        assert!(bins.guess(&values, &mut [0; BLOCK_LEN]));
        for value in [0.0, 1009.0, 1009.0 / 4.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!bins.guess(&[0.3, value], &mut [0; BLOCK_LEN]), "{value}");
        }
    }
}
