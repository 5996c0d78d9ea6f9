//! Which pixels of an axis make those of one of another length.

use std::ops::Range;

use crate::kernel::{KernelInit, Status};

/// Steps of the table that bicubic weights are taken from.
const TABLE: usize = 1024;

/// Room for what is known of `n` pixels.
///
/// Errors: `RESOURCE_EXHAUSTED` if there is no memory for it.
fn room<T>(n: usize) -> Result<Vec<T>, Status> {
    let mut room = Vec::new();
    let too_large = |_| Status::resource_exhausted(format!("there is no memory for {n} pixels"));
    room.try_reserve_exact(n).map_err(too_large)?;
    Ok(room)
}

/// Where the pixels of the output lie on the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sampling {
    /// At `i * in / out`.
    Legacy,
    /// At `i * (in - 1) / (out - 1)`: corners on corners.
    Corners,
    /// At `(i + 0.5) * in / out - 0.5`: centers of pixels.
    Centers,
    /// At `(i + 0.5) * (in - 1) / (out - 1)`: what one gradient makes of both options.
    CornersOfCenters,
}

/// A place between two pixels: `part` of the way from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Between {
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) part: f32,
}

/// For each pixel of the output, pixels of the input and their weights.
#[derive(Debug)]
pub(super) struct Taps {
    taps: Vec<(usize, f32)>,
    /// The end of each pixel's own.
    ends: Vec<usize>,
    /// What all sums are multiplied with.
    pub(super) scale: f32,
}

impl Taps {
    /// The pixels that make pixel `i`.
    pub(super) fn of(&self, i: usize) -> &[(usize, f32)] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.taps[start..self.ends[i]]
    }

    /// The pixels among all that pixel `at` of the input has a part in, and maybe some between them.
    pub(super) fn with(&self, at: usize) -> Range<usize> {
        // Neither the first nor the last tap ever goes back.
        let start = self.after(|taps| taps.last().is_some_and(|tap| tap.0 < at));
        start..self.after(|taps| taps.first().is_some_and(|tap| tap.0 <= at)).max(start)
    }

    /// The number of pixels in front for which `is_before` holds.
    fn after(&self, is_before: impl Fn(&[(usize, f32)]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(self.of(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl Sampling {
    /// Reads `align_corners` and, where the op has it, `half_pixel_centers`.
    ///
    /// Errors: `INVALID_ARGUMENT` if both are set.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<Sampling, Status> {
        match Sampling::any(init)? {
            Sampling::CornersOfCenters => Err(Status::invalid_argument(
                "If half_pixel_centers is True, align_corners must be False.",
            )),
            sampling => Ok(sampling),
        }
    }

    /// As [`new`](Self::new), for `ResizeNearestNeighborGrad`, which takes both.
    pub(super) fn any(init: &KernelInit<'_>) -> Result<Sampling, Status> {
        let centers = match init.attr("half_pixel_centers") {
            Some(_) => init.attr_bool("half_pixel_centers")?,
            None => false,
        };
        Ok(match (init.attr_bool("align_corners")?, centers) {
            (false, false) => Sampling::Legacy,
            (true, false) => Sampling::Corners,
            (false, true) => Sampling::Centers,
            (true, true) => Sampling::CornersOfCenters,
        })
    }

    /// The distance of the output's pixels on an input of `n`.
    fn scale(self, n: usize, out: usize) -> f32 {
        match self {
            Sampling::Corners | Sampling::CornersOfCenters if out > 1 => {
                (n - 1) as f32 / (out - 1) as f32
            }
            _ => n as f32 / out as f32,
        }
    }

    /// Where pixel `i` of the output lies.
    fn place(self, i: usize, scale: f32) -> f32 {
        match self {
            Sampling::Centers => (i as f32 + 0.5) * scale - 0.5,
            _ => i as f32 * scale,
        }
    }

    /// The nearest pixel for each of `out` pixels; there is at least one.
    ///
    /// Errors (of all these): `RESOURCE_EXHAUSTED` if there is no memory for the list.
    pub(super) fn nearest(self, n: usize, out: usize) -> Result<Vec<usize>, Status> {
        let scale = self.scale(n, out);
        let place = |i: usize| match self {
            Sampling::Legacy => (i as f32 * scale).floor(),
            Sampling::Corners => (i as f32 * scale).round(),
            Sampling::CornersOfCenters => ((i as f32 + 0.5) * scale).round(),
            Sampling::Centers => ((i as f32 + 0.5) * scale).floor(),
        };
        let mut found = room(out)?;
        found.extend((0..out).map(|i| (place(i) as usize).min(n - 1)));
        Ok(found)
    }

    /// The two pixels around each of `out` pixels; there is at least one.
    pub(super) fn between(self, n: usize, out: usize) -> Result<Vec<Between>, Status> {
        let scale = self.scale(n, out);
        let around = |i: usize| {
            if n == out {
                // Nothing moves, and what is beside does not matter.
                return Between { low: i, high: i, part: 0.0 };
            }
            let place = self.place(i, scale);
            let low = place.floor();
            let high = (place.ceil().max(0.0) as usize).min(n - 1);
            Between { low: (low.max(0.0) as usize).min(n - 1), high, part: place - low }
        };
        let mut found = room(out)?;
        found.extend((0..out).map(around));
        Ok(found)
    }

    /// As [`between`](Self::between), with the weights of both pixels.
    pub(super) fn linear(self, n: usize, out: usize) -> Result<Taps, Status> {
        let (mut taps, mut ends) = (room(out.saturating_mul(2))?, room(out)?);
        for Between { low, high, part } in self.between(n, out)? {
            taps.extend([(low, 1.0 - part), (high, part)]);
            ends.push(taps.len());
        }
        Ok(Taps { taps, ends, scale: 1.0 })
    }

    /// The four pixels around each of `out` pixels.
    ///
    /// Weights are those of a cubic convolution, in steps of a table; A is -0.75, or -0.5 between centers, where
    /// pixels outside the image have no weight.
    pub(super) fn cubic(self, n: usize, out: usize) -> Result<Taps, Status> {
        let a: f32 = if self == Sampling::Centers { -0.5 } else { -0.75 };
        let inner = |step: usize| {
            let x = step as f32 / TABLE as f32;
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        };
        let outer = |step: usize| {
            let x = step as f32 / TABLE as f32 + 1.0;
            ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
        };
        let scale = self.scale(n, out);
        let (mut taps, mut ends) = (room(out.saturating_mul(4))?, room(out)?);
        for i in 0..out {
            let place = self.place(i, scale);
            let first = place.floor();
            let step = ((place - first) * TABLE as f32).round_ties_even() as usize;
            let rest = TABLE.saturating_sub(step);
            let mut weights = [outer(step), inner(step), inner(rest), outer(rest)];
            let wanted = [-1i64, 0, 1, 2].map(|offset| first as i64 + offset);
            let found = wanted.map(|at| at.clamp(0, n as i64 - 1));
            if self == Sampling::Centers {
                for ((weight, wanted), found) in weights.iter_mut().zip(wanted).zip(found) {
                    if wanted != found {
                        *weight = 0.0;
                    }
                }
                let sum: f32 = weights.iter().sum();
                if sum.abs() >= 1000.0 * f32::MIN_POSITIVE {
                    weights = weights.map(|weight| weight / sum);
                }
            }
            taps.extend(found.map(|at| at as usize).into_iter().zip(weights));
            ends.push(taps.len());
        }
        Ok(Taps { taps, ends, scale: 1.0 })
    }

    /// The pixels that each of `out` pixels covers, by how much of them it covers.
    pub(super) fn area(self, n: usize, out: usize) -> Result<Taps, Status> {
        // One pixel has no corners to lie on.
        let scale = if n == 1 { 1.0 / out as f32 } else { self.scale(n, out) };
        // Each pixel of the input is shared by neighbors at most, and no pixel of the output has none.
        let (mut taps, mut ends) = (room(n.saturating_add(out.saturating_mul(2)))?, room(out)?);
        for i in 0..out {
            let (start, end) = (i as f32 * scale, (i + 1) as f32 * scale);
            for at in start.floor() as usize..end.ceil() as usize {
                let (low, high) = (at as f32, (at + 1) as f32);
                let weight = match (low < start, high > end) {
                    (true, true) => scale,
                    (true, false) => high - start,
                    (false, true) => end - low,
                    (false, false) => 1.0,
                };
                taps.push((at.min(n - 1), weight));
            }
            ends.push(taps.len());
        }
        Ok(Taps { taps, ends, scale: 1.0 / scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_rules_place_pixels_as_described() {
        let places = |sampling: Sampling| {
            let scale = sampling.scale(4, 2);
            [sampling.place(0, scale), sampling.place(1, scale)]
        };
        assert_eq!(places(Sampling::Legacy), [0.0, 2.0]);
        assert_eq!(places(Sampling::Corners), [0.0, 3.0]);
        assert_eq!(places(Sampling::Centers), [0.5, 2.5]);
        assert_eq!(Sampling::Corners.nearest(4, 3).unwrap(), [0, 2, 3]);
        assert_eq!(Sampling::Legacy.nearest(4, 3).unwrap(), [0, 1, 2]);
        assert_eq!(Sampling::Centers.nearest(4, 3).unwrap(), [0, 2, 3]);
    }

    #[test]
    fn weights_sum_to_one() {
        for sampling in [Sampling::Legacy, Sampling::Corners, Sampling::Centers] {
            for (n, out) in [(5, 9), (9, 5), (1, 4), (4, 1)] {
                let taps = sampling.cubic(n, out).unwrap();
                for i in 0..out {
                    let sum: f32 = taps.of(i).iter().map(|tap| tap.1).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{sampling:?} {n} to {out} at {i}");
                }
            }
        }
        let taps = Sampling::Legacy.linear(2, 4).unwrap();
        assert_eq!(taps.of(1), [(0, 0.5), (1, 0.5)]);
        let taps = Sampling::Legacy.area(5, 2).unwrap();
        assert_eq!(taps.of(0), [(0, 1.0), (1, 1.0), (2, 0.5)]);
        assert_eq!(taps.of(1), [(2, 0.5), (3, 1.0), (4, 1.0)]);
    }

    #[test]
    fn a_pixel_knows_those_that_it_has_a_part_in() {
        for sampling in [Sampling::Legacy, Sampling::Corners, Sampling::Centers] {
            for (n, out) in [(5, 9), (9, 5), (1, 4), (4, 1), (6, 6)] {
                for taps in [sampling.linear(n, out).unwrap(), sampling.cubic(n, out).unwrap()] {
                    for at in 0..n {
                        let with = taps.with(at);
                        let has = |i: usize| taps.of(i).iter().any(|tap| tap.0 == at);
                        let missed = (0..out).find(|i| has(*i) && !with.contains(i));
                        assert_eq!(missed, None, "{sampling:?} {n} to {out}: {at} in {with:?}");
                    }
                }
            }
        }
        let taps = Sampling::Legacy.linear(2, 4).unwrap();
        assert_eq!([taps.with(0), taps.with(1)], [0..2, 1..4]);
    }
}
