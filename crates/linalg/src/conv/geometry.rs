//! The sizes of a convolution.

use crate::window::{Axis, GeometryError, Padding, checked_len};

/// The sizes of a convolution, by TensorFlow's rules.
///
/// Input `[batch, rows.input, cols.input, in_channels]`, filter `[rows.filter, cols.filter,
/// in_channels / groups, out_channels]`, output `[batch, rows.output, cols.output, out_channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dGeometry {
    /// Images.
    pub batch: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Groups: the channels of input and output are dealt out to so many separate convolutions.
    pub groups: usize,
    /// Windows from top to bottom.
    pub rows: Axis,
    /// Windows from left to right.
    pub cols: Axis,
}

impl Conv2dGeometry {
    /// Works out the sizes for an NHWC input and an HWIO filter.
    ///
    /// `strides` and `dilations` are (rows, cols). The number of groups is the quotient of the
    /// channels of input and filter.
    ///
    /// Errors: channels that do not divide, an empty filter, what [`Axis::new`] refuses, and sizes
    /// whose product exceeds the address space. An empty input, or no output channel, is fine.
    ///
    /// ```
    /// use flowkeep_linalg::conv::Conv2dGeometry;
    /// use flowkeep_linalg::window::Padding;
    ///
    /// let input = [1, 224, 224, 3];
    /// let filter = [7, 7, 3, 64];
    /// let geometry = Conv2dGeometry::new(input, filter, [2, 2], [1, 1], Padding::Same)?;
    /// assert_eq!(geometry.output_shape(), [1, 112, 112, 64]);
    /// # Ok::<(), flowkeep_linalg::window::GeometryError>(())
    /// ```
    pub fn new(
        input: [usize; 4],
        filter: [usize; 4],
        strides: [usize; 2],
        dilations: [usize; 2],
        padding: Padding,
    ) -> Result<Self, GeometryError> {
        let [batch, height, width, in_channels] = input;
        let [filter_height, filter_width, filter_depth, out_channels] = filter;
        if filter_depth == 0 {
            return Err(GeometryError::ZeroFilterDepth);
        }
        if !in_channels.is_multiple_of(filter_depth) {
            return Err(GeometryError::InputDepth { input: in_channels, filter: filter_depth });
        }
        let groups = in_channels / filter_depth;
        if groups == 0 {
            // No input channel at all: TensorFlow has no groups then.
            return Err(GeometryError::InputDepth { input: 0, filter: filter_depth });
        }
        if !out_channels.is_multiple_of(groups) {
            return Err(GeometryError::OutputDepth { output: out_channels, groups });
        }
        let rows = Axis::new(height, filter_height, strides[0], dilations[0], padding.rows())?;
        let cols = Axis::new(width, filter_width, strides[1], dilations[1], padding.cols())?;
        let geometry = Conv2dGeometry { batch, in_channels, out_channels, groups, rows, cols };
        checked_len(&input)?;
        checked_len(&filter)?;
        checked_len(&geometry.output_shape())?;
        Ok(geometry)
    }

    /// The shape of the input, NHWC.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.rows.input, self.cols.input, self.in_channels]
    }

    /// The shape of the filter, HWIO.
    pub fn filter_shape(&self) -> [usize; 4] {
        [self.rows.filter, self.cols.filter, self.group_inputs(), self.out_channels]
    }

    /// The shape of the output, NHWC.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.rows.output, self.cols.output, self.out_channels]
    }

    /// Input channels of each group.
    pub(crate) fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of each group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Panics unless the slices have the lengths that the shapes ask for.
    pub(crate) fn check_lens(&self, input: usize, output: usize) {
        let len = |shape: [usize; 4]| shape.iter().product::<usize>();
        assert!(input == len(self.input_shape()), "an input of {input} elements does not fit");
        assert!(output == len(self.output_shape()), "an output of {output} elements does not fit");
    }
}

#[cfg(test)]
mod tests {
    use super::Conv2dGeometry;
    use crate::window::{GeometryError, Padding};

    fn new(input: [usize; 4], filter: [usize; 4]) -> Result<Conv2dGeometry, GeometryError> {
        Conv2dGeometry::new(input, filter, [1, 1], [1, 1], Padding::Same)
    }

    /// The texts are those of TensorFlow 2.21.
    #[test]
    fn unfit_channels_are_refused_in_tensorflows_words() {
        let text = |input, filter| new(input, filter).unwrap_err().to_string();
        assert_eq!(
            text([1, 2, 2, 2], [1, 1, 3, 4]),
            "input depth must be evenly divisible by filter depth: 2 vs 3"
        );
        assert_eq!(
            text([1, 2, 2, 4], [1, 1, 2, 3]),
            "output depth must be evenly divisible by number of groups: 3 vs 2"
        );
        assert_eq!(
            text([1, 2, 2, 2], [0, 3, 2, 4]),
            "filter must not have zero elements (i.e. all dimensions must be non-zero)"
        );
        assert_eq!(
            text([1, 2, 2, 0], [3, 3, 0, 4]),
            "filter depth must be stricly positive, got 0"
        );
    }

    #[test]
    fn groups_follow_from_the_channels() {
        let geometry = new([2, 5, 5, 12], [3, 3, 4, 6]).unwrap();
        assert_eq!(geometry.groups, 3);
        assert_eq!((geometry.group_inputs(), geometry.group_outputs()), (4, 2));
    }

    #[test]
    fn empty_images_and_outputs_are_fine() {
        assert_eq!(new([0, 2, 2, 2], [3, 3, 2, 4]).unwrap().output_shape(), [0, 2, 2, 4]);
        assert_eq!(new([1, 0, 2, 2], [3, 3, 2, 4]).unwrap().output_shape(), [1, 0, 2, 4]);
        assert_eq!(new([1, 2, 2, 2], [1, 1, 2, 0]).unwrap().output_shape(), [1, 2, 2, 0]);
    }

    #[test]
    fn products_beyond_the_address_space_are_refused() {
        let huge = 1 << 31;
        assert_eq!(new([huge, huge, 4, 1], [1, 1, 1, 1]), Err(GeometryError::TooLarge));
        assert_eq!(new([1, huge, huge, 1], [1, 1, 1, 8]), Err(GeometryError::TooLarge));
    }
}
