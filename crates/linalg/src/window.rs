//! Where the windows of convolution and pooling lie along one axis.

use std::ops::Range;

/// Why sizes do not make a convolution or a pooling; each is an `INVALID_ARGUMENT`.
///
/// The texts are TensorFlow's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The window does not fit the input, by more than one step.
    #[error(
        "Computed output size would be negative: {output} [input_size: {input}, \
         effective_filter_size: {filter}, stride: {stride}]"
    )]
    NegativeOutput {
        /// What the formula yields.
        output: i64,
        /// Size of the input without padding.
        input: usize,
        /// Size of the filter, dilation included.
        filter: usize,
        /// Distance of windows.
        stride: usize,
    },
    /// The distance of windows is zero.
    #[error("Stride must be > 0, but got 0")]
    ZeroStride,
    /// The distance of taps is zero.
    #[error("Dilation rate must be >= 1, but got 0")]
    ZeroDilation,
    /// A spatial size of the filter or window is zero.
    #[error("filter must not have zero elements (i.e. all dimensions must be non-zero)")]
    EmptyFilter,
    /// The filter takes no channels.
    #[error("filter depth must be stricly positive, got 0")]
    ZeroFilterDepth,
    /// The channels of the input cannot be dealt out to the filter.
    #[error("input depth must be evenly divisible by filter depth: {input} vs {filter}")]
    InputDepth {
        /// Channels of the input.
        input: usize,
        /// Channels that the filter takes.
        filter: usize,
    },
    /// The output channels cannot be dealt out to the groups.
    #[error("output depth must be evenly divisible by number of groups: {output} vs {groups}")]
    OutputDepth {
        /// Channels of the output.
        output: usize,
        /// Groups of channels.
        groups: usize,
    },
    /// The filter of a depthwise convolution has another number of channels than the input.
    #[error("input and filter must have the same depth: {input} vs {filter}")]
    DepthwiseDepth {
        /// Channels of the input.
        input: usize,
        /// Channels of the filter.
        filter: usize,
    },
    /// A size exceeds the address space.
    #[error("sizes of the window operation are too large")]
    TooLarge,
}

/// The padding rule of a window operation, for both spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// No padding: windows lie inside the input.
    Valid,
    /// As many windows as strides fit; the padding is shared evenly, the odd element goes last.
    Same,
    /// A given number of elements on each side.
    Explicit {
        /// Rows before the first one.
        top: usize,
        /// Rows after the last one.
        bottom: usize,
        /// Columns before the first one.
        left: usize,
        /// Columns after the last one.
        right: usize,
    },
}

impl Padding {
    /// The rule for the rows.
    pub(crate) fn rows(self) -> AxisPadding {
        match self {
            Padding::Valid => AxisPadding::Explicit(0, 0),
            Padding::Same => AxisPadding::Same,
            Padding::Explicit { top, bottom, .. } => AxisPadding::Explicit(top, bottom),
        }
    }

    /// The rule for the columns.
    pub(crate) fn cols(self) -> AxisPadding {
        match self {
            Padding::Valid => AxisPadding::Explicit(0, 0),
            Padding::Same => AxisPadding::Same,
            Padding::Explicit { left, right, .. } => AxisPadding::Explicit(left, right),
        }
    }
}

/// The padding rule along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisPadding {
    /// See [`Padding::Same`].
    Same,
    /// Elements before and after; (0, 0) is [`Padding::Valid`].
    Explicit(usize, usize),
}

/// The windows along one axis: window `o` has tap `k` at input `o * stride - before + k * dilation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Size of the input without padding.
    pub input: usize,
    /// Taps of the window.
    pub filter: usize,
    /// Distance of windows.
    pub stride: usize,
    /// Distance of taps.
    pub dilation: usize,
    /// Padding before the first element.
    pub before: usize,
    /// Padding after the last element.
    pub after: usize,
    /// The number of windows.
    pub output: usize,
}

impl Axis {
    /// Works out padding and the number of windows by TensorFlow's rules.
    ///
    /// Same: `output = ceil(input / stride)`, padded by what the last window lacks. Explicit:
    /// `output = ceil((input + before + after - (filter - 1) * dilation) / stride)`.
    ///
    /// Errors: a zero among filter, stride and dilation, a negative output, or an overflow.
    pub fn new(
        input: usize,
        filter: usize,
        stride: usize,
        dilation: usize,
        padding: AxisPadding,
    ) -> Result<Axis, GeometryError> {
        if stride == 0 {
            return Err(GeometryError::ZeroStride);
        }
        if dilation == 0 {
            return Err(GeometryError::ZeroDilation);
        }
        if filter == 0 {
            return Err(GeometryError::EmptyFilter);
        }
        // All sums below are of a few sizes under 2^60 each.
        let small = |n: usize| i64::try_from(n).ok().filter(|&n| n < 1 << 60);
        let effective = (filter - 1).checked_mul(dilation).and_then(small);
        let (Some(effective), Some(input_size), Some(stride_size)) =
            (effective.map(|n| n + 1), small(input), small(stride))
        else {
            return Err(GeometryError::TooLarge);
        };
        let (output, before, after) = match padding {
            AxisPadding::Same => {
                let output = (input_size + stride_size - 1) / stride_size;
                let reach = (output - 1).max(0) * stride_size + effective;
                let needed = (reach - input_size).max(0);
                let needed = if output == 0 { 0 } else { needed };
                (output, needed / 2, needed - needed / 2)
            }
            AxisPadding::Explicit(before, after) => {
                let (Some(before), Some(after)) = (small(before), small(after)) else {
                    return Err(GeometryError::TooLarge);
                };
                let room = input_size + before + after - effective;
                ((room + stride_size) / stride_size, before, after)
            }
        };
        let size = |n: i64| usize::try_from(n).map_err(|_| GeometryError::TooLarge);
        let filter_size = size(effective)?;
        let Ok(output) = usize::try_from(output) else {
            return Err(GeometryError::NegativeOutput {
                output,
                input,
                filter: filter_size,
                stride,
            });
        };
        let (before, after) = (size(before)?, size(after)?);
        Ok(Axis { input, filter, stride, dilation, before, after, output })
    }

    /// The taps of window `o` that lie inside the input.
    #[inline]
    pub(crate) fn taps(&self, o: usize) -> Range<usize> {
        let start = o * self.stride;
        let first = self.before.saturating_sub(start).div_ceil(self.dilation).min(self.filter);
        let room = (self.input + self.before).saturating_sub(start);
        let end = room.div_ceil(self.dilation).min(self.filter);
        first.min(end)..end
    }

    /// The input element under tap `k` of window `o`, which must lie inside.
    #[inline]
    pub(crate) fn at(&self, o: usize, k: usize) -> usize {
        o * self.stride + k * self.dilation - self.before
    }

    /// The windows whose tap `k` lies inside the input.
    #[inline]
    pub(crate) fn outputs(&self, k: usize) -> Range<usize> {
        let offset = k * self.dilation;
        let first = self.before.saturating_sub(offset).div_ceil(self.stride).min(self.output);
        let end = (self.input + self.before).saturating_sub(offset).div_ceil(self.stride);
        first..end.clamp(first, self.output)
    }

    /// The windows whose taps all lie inside the input.
    pub(crate) fn inner(&self) -> Range<usize> {
        let first = self.before.div_ceil(self.stride).min(self.output);
        let reach = (self.filter - 1) * self.dilation;
        let end = (self.input + self.before)
            .checked_sub(reach + 1)
            .map_or(0, |last_start| last_start / self.stride + 1)
            .min(self.output);
        first..end.max(first)
    }
}

/// The product of sizes, if a slice of that many elements of 8 bytes can exist.
pub(crate) fn checked_len(sizes: &[usize]) -> Result<usize, GeometryError> {
    sizes
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size))
        .filter(|&len| len <= isize::MAX as usize / 8)
        .ok_or(GeometryError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::{Axis, AxisPadding, GeometryError};

    fn axis(input: usize, filter: usize, stride: usize, dilation: usize, same: bool) -> Axis {
        let padding = if same { AxisPadding::Same } else { AxisPadding::Explicit(0, 0) };
        Axis::new(input, filter, stride, dilation, padding).unwrap()
    }

    /// Output sizes and paddings as TensorFlow 2.21 computes them.
    #[test]
    fn sizes_are_those_of_tensorflow() {
        let sizes = |a: Axis| (a.output, a.before, a.after);
        assert_eq!(sizes(axis(224, 7, 2, 1, true)), (112, 2, 3));
        assert_eq!(sizes(axis(4, 3, 2, 1, true)), (2, 0, 1));
        assert_eq!(sizes(axis(5, 3, 2, 1, true)), (3, 1, 1));
        assert_eq!(sizes(axis(5, 3, 1, 2, true)), (5, 2, 2));
        assert_eq!(sizes(axis(6, 2, 3, 1, false)), (2, 0, 0));
        assert_eq!(sizes(axis(2, 3, 1, 1, false)), (0, 0, 0));
        assert_eq!(axis(0, 3, 1, 1, true).output, 0);
        let explicit = Axis::new(2, 3, 1, 1, AxisPadding::Explicit(1, 2)).unwrap();
        assert_eq!(explicit.output, 3);
    }

    #[test]
    fn impossible_sizes_are_refused_in_tensorflows_words() {
        let valid = AxisPadding::Explicit(0, 0);
        let text = |e: Result<Axis, GeometryError>| e.unwrap_err().to_string();
        assert_eq!(
            text(Axis::new(2, 5, 1, 1, valid)),
            "Computed output size would be negative: -2 [input_size: 2, effective_filter_size: 5, stride: 1]"
        );
        assert_eq!(
            text(Axis::new(0, 3, 1, 1, valid)),
            "Computed output size would be negative: -2 [input_size: 0, effective_filter_size: 3, stride: 1]"
        );
        assert_eq!(Axis::new(2, 1, 0, 1, valid), Err(GeometryError::ZeroStride));
        assert_eq!(Axis::new(2, 1, 1, 0, valid), Err(GeometryError::ZeroDilation));
        assert_eq!(Axis::new(2, 0, 1, 1, valid), Err(GeometryError::EmptyFilter));
        for huge in [usize::MAX, usize::MAX / 2, 1 << 60] {
            assert_eq!(Axis::new(huge, 1, 1, 1, valid), Err(GeometryError::TooLarge));
            assert_eq!(Axis::new(2, huge, 1, huge, valid), Err(GeometryError::TooLarge));
            let padding = AxisPadding::Explicit(1, huge);
            assert_eq!(Axis::new(2, 1, 1, 1, padding), Err(GeometryError::TooLarge));
        }
    }

    #[test]
    fn taps_inside_the_input_match_the_definition() {
        for input in 0..7 {
            for (filter, stride, dilation) in
                (1..5).flat_map(|f| (1..4).flat_map(move |s| [(f, s, 1), (f, s, 2)]))
            {
                for padding in
                    [AxisPadding::Same, AxisPadding::Explicit(0, 0), AxisPadding::Explicit(3, 5)]
                {
                    let Ok(axis) = Axis::new(input, filter, stride, dilation, padding) else {
                        continue;
                    };
                    for k in 0..filter {
                        let inside = |o: &usize| axis.taps(*o).contains(&k);
                        let expected: Vec<usize> = (0..axis.output).filter(inside).collect();
                        assert_eq!(
                            axis.outputs(k).collect::<Vec<_>>(),
                            expected,
                            "{axis:?} tap {k}"
                        );
                    }
                    for o in 0..axis.output {
                        let at = |k: usize| (o * stride + k * dilation).checked_sub(axis.before);
                        let inside = |k: &usize| at(*k).is_some_and(|i| i < input);
                        let expected: Vec<usize> = (0..filter).filter(inside).collect();
                        assert_eq!(axis.taps(o).collect::<Vec<_>>(), expected, "{axis:?} at {o}");
                        assert!(expected.iter().all(|&k| Some(axis.at(o, k)) == at(k)));
                        assert_eq!(
                            axis.inner().contains(&o),
                            expected.len() == filter,
                            "{axis:?} at {o}"
                        );
                    }
                }
            }
        }
    }
}
