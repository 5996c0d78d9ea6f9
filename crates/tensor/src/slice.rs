use std::fmt;

use flowkeep_proto::pb;
use flowkeep_proto::pb::tensor_slice_proto as wire;

use crate::{Error, MAX_RANK, Shape};

/// The part of one dimension that a slice covers.
///
/// `Full` and a range over the whole dimension cover the same indices, but are different slices: in
/// checkpoints they are stored under different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// The whole dimension, written `-`.
    Full,
    /// `length` indices from `start` on, written `start,length`; the length is at least 1.
    Range {
        /// The first index.
        start: u64,
        /// The number of indices.
        length: u64,
    },
}

impl Extent {
    /// First index and number of indices in a dimension of size `dim`.
    fn resolve(self, dim: u64) -> (u64, u64) {
        match self {
            Extent::Full => (0, dim),
            Extent::Range { start, length } => (start, length),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Full => f.write_str("-"),
            Extent::Range { start, length } => write!(f, "{start},{length}"),
        }
    }
}

/// A rectangular part of a tensor, one [`Extent`] per dimension: `0,5:-` is the first five rows of
/// a matrix.
///
/// ```
/// use flowkeep_tensor::{Shape, TensorSlice};
///
/// let slice: TensorSlice = "0,5:-".parse()?;
/// assert_eq!(slice.shape_in(&Shape::from([8, 3]))?, Shape::from([5, 3]));
/// assert_eq!(slice.to_string(), "0,5:-");
/// # Ok::<(), flowkeep_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorSlice {
    extents: Vec<Extent>,
}

impl TensorSlice {
    /// The slice that covers a tensor of rank `rank` whole.
    pub fn full(rank: usize) -> TensorSlice {
        TensorSlice { extents: vec![Extent::Full; rank] }
    }

    /// The slice with these extents, outermost dimension first.
    ///
    /// Errors: `INVALID_ARGUMENT` for an empty range, one that ends beyond 63 bits, or more than
    /// [`MAX_RANK`] extents.
    pub fn new(extents: Vec<Extent>) -> Result<TensorSlice, Error> {
        if extents.len() > MAX_RANK {
            return Err(Error::BadSlice(format!(
                "slice has {} dimensions, more than {MAX_RANK}",
                extents.len()
            )));
        }
        for extent in &extents {
            if let Extent::Range { start, length } = *extent {
                let end = start.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
                if length == 0 || end.is_none() {
                    return Err(Error::BadSlice(format!(
                        "Expected non-negative start and positive length but got start = {start}, length = {length}"
                    )));
                }
            }
        }
        Ok(TensorSlice { extents })
    }

    /// The extents, outermost dimension first.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.extents.len()
    }

    /// Whether every extent is [`Extent::Full`].
    pub fn is_full(&self) -> bool {
        self.extents.iter().all(|extent| *extent == Extent::Full)
    }

    /// First index and number of indices in each dimension of a tensor of shape `shape`.
    ///
    /// Errors: `INTERNAL`, with TensorFlow's words, if the ranks differ or the slice reaches out of
    /// the shape.
    pub fn resolve(&self, shape: &Shape) -> Result<Vec<(u64, u64)>, Error> {
        if self.rank() != shape.rank() {
            return Err(Error::SliceMismatch(format!(
                "Mismatching ranks: shape = {shape}, slice = {self}"
            )));
        }
        let mut ranges = Vec::with_capacity(self.rank());
        for (idx, (extent, dim)) in self.extents.iter().zip(shape.dims()).enumerate() {
            let dim = *dim as u64;
            let (start, length) = extent.resolve(dim);
            if start.checked_add(length).is_none_or(|end| end > dim) {
                return Err(Error::SliceMismatch(format!(
                    "Extent in dimension {idx} out of bounds: shape = {shape}, slice = {self}"
                )));
            }
            ranges.push((start, length));
        }
        Ok(ranges)
    }

    /// The shape of this slice of a tensor of shape `shape`.
    ///
    /// Errors: as [`TensorSlice::resolve`].
    pub fn shape_in(&self, shape: &Shape) -> Result<Shape, Error> {
        // No extent is larger than its dimension, which is a `usize`.
        Ok(self
            .resolve(shape)?
            .into_iter()
            .map(|(_, length)| length as usize)
            .collect::<Vec<_>>()
            .into())
    }

    /// The slice of a stored `TensorSliceProto`.
    ///
    /// Errors: `INVALID_ARGUMENT` for negative starts, lengths below 1, a start without a length,
    /// and more than [`MAX_RANK`] extents.
    pub fn from_proto(proto: &pb::TensorSliceProto) -> Result<TensorSlice, Error> {
        let extent = |extent: &wire::Extent| {
            match extent.has_length_hack {
            None if extent.start == 0 => Ok(Extent::Full),
            None => Err(Error::BadSlice(format!("slice has an extent from {} on without a length", extent.start))),
            Some(wire::extent::HasLengthHack::Length(length)) => range(extent.start, length).ok_or_else(|| {
                Error::BadSlice(format!(
                    "Expected non-negative start and positive length but got start = {}, length = {length}",
                    extent.start
                ))
            }),
        }
        };
        TensorSlice::new(proto.extent.iter().map(extent).collect::<Result<_, _>>()?)
    }

    /// The stored form of this slice.
    pub fn to_proto(&self) -> pb::TensorSliceProto {
        let extent = |extent: &Extent| match *extent {
            Extent::Full => wire::Extent { start: 0, has_length_hack: None },
            Extent::Range { start, length } => wire::Extent {
                start: start as i64,
                has_length_hack: Some(wire::extent::HasLengthHack::Length(length as i64)),
            },
        };
        pb::TensorSliceProto { extent: self.extents.iter().map(extent).collect() }
    }

    /// The full shape and the slice of a `shape_and_slice` specification such as `4 3 2,2:-`, or
    /// `None` for the empty one, which means the whole tensor.
    ///
    /// Errors: `INVALID_ARGUMENT` for a malformed text; `INTERNAL` when the slice does not fit the
    /// shape.
    pub fn parse_spec(spec: &str) -> Result<Option<(Shape, TensorSlice)>, Error> {
        if spec.is_empty() {
            return Ok(None);
        }
        let Some((dims, slice)) = spec.rsplit_once(' ') else {
            return Err(Error::BadSlice(format!(
                "Need least two elements in shape_and_slice specification: {spec}"
            )));
        };
        let dims: Vec<usize> =
            dims.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| {
                Error::BadSlice(format!("Non numerical dimension in shape_and_slice: {spec}"))
            })?;
        let (shape, slice) = (Shape::from(dims), slice.parse::<TensorSlice>()?);
        slice.resolve(&shape)?;
        Ok(Some((shape, slice)))
    }
}

fn range(start: i64, length: i64) -> Option<Extent> {
    let (start, length) = (u64::try_from(start).ok()?, u64::try_from(length).ok()?);
    (length > 0).then_some(Extent::Range { start, length })
}

impl std::str::FromStr for TensorSlice {
    type Err = Error;

    /// Parses TensorFlow's form: extents joined by `:`, each `-` or `start,length`; the empty text
    /// is the slice of a scalar.
    fn from_str(text: &str) -> Result<TensorSlice, Error> {
        let extent = |part: &str| {
            if part == "-" {
                return Ok(Extent::Full);
            }
            let pair =
                part.split_once(',').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            let Some((start, length)) = pair else {
                return Err(Error::BadSlice(format!(
                    "Expected a pair of numbers or '-' but got '{part}': string = {text}"
                )));
            };
            range(start, length).ok_or_else(|| {
                Error::BadSlice(format!(
                    "Expected non-negative start and positive length but got start = {start}, length = {length}: \
                     string = {text}"
                ))
            })
        };
        TensorSlice::new(
            text.split(':')
                .filter(|part| !part.is_empty())
                .map(extent)
                .collect::<Result<_, _>>()?,
        )
    }
}

/// TensorFlow's form: `0,5:-`.
impl fmt::Display for TensorSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, extent) in self.extents.iter().enumerate() {
            let colon = if idx == 0 { "" } else { ":" };
            write!(f, "{colon}{extent}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    /// What TensorFlow 2.21's `RestoreV2` says to specifications of a tensor of shape [2].
    #[test]
    fn malformed_specifications_are_refused_in_tensorflows_words() {
        let cases = [
            ("x", "Need least two elements in shape_and_slice specification: x"),
            ("2", "Need least two elements in shape_and_slice specification: 2"),
            ("2 x", "Expected a pair of numbers or '-' but got 'x': string = x"),
            ("2 a,b", "Expected a pair of numbers or '-' but got 'a,b': string = a,b"),
            ("2 0,1,2", "Expected a pair of numbers or '-' but got '0,1,2': string = 0,1,2"),
            ("a 0,1", "Non numerical dimension in shape_and_slice: a 0,1"),
            ("2 0,1 ", "Non numerical dimension in shape_and_slice: 2 0,1 "),
            (" 2 0,1", "Non numerical dimension in shape_and_slice:  2 0,1"),
            ("2  0,1", "Non numerical dimension in shape_and_slice: 2  0,1"),
            (
                "2 0,0",
                "Expected non-negative start and positive length but got start = 0, length = 0: string = 0,0",
            ),
            (
                "2 -1,1",
                "Expected non-negative start and positive length but got start = -1, length = 1: string = -1,1",
            ),
        ];
        for (spec, message) in cases {
            let error = TensorSlice::parse_spec(spec).unwrap_err();
            assert_eq!(
                (error.code(), error.to_string().as_str()),
                (Code::InvalidArgument, message),
                "{spec:?}"
            );
        }
        let cases = [
            ("2 1,2", "Extent in dimension 0 out of bounds: shape = [2], slice = 1,2"),
            ("2 0,1:0,1", "Mismatching ranks: shape = [2], slice = 0,1:0,1"),
            ("2 ", "Mismatching ranks: shape = [2], slice = "),
        ];
        for (spec, message) in cases {
            let error = TensorSlice::parse_spec(spec).unwrap_err();
            assert_eq!(
                (error.code(), error.to_string().as_str()),
                (Code::Internal, message),
                "{spec:?}"
            );
        }
    }

    #[test]
    fn specifications_name_shape_and_slice() {
        assert_eq!(TensorSlice::parse_spec("").unwrap(), None);
        let (shape, slice) = TensorSlice::parse_spec("4 3 2,2:-").unwrap().unwrap();
        assert_eq!(shape, Shape::from([4, 3]));
        assert_eq!(slice.extents(), &[Extent::Range { start: 2, length: 2 }, Extent::Full]);
        assert_eq!(slice.shape_in(&shape).unwrap(), Shape::from([2, 3]));
        assert_eq!(slice.to_string(), "2,2:-");
        assert_eq!(TensorSlice::parse_spec("2 +0,1").unwrap().unwrap().1.to_string(), "0,1");
    }

    #[test]
    fn a_full_extent_and_a_range_over_everything_differ() {
        let full: TensorSlice = "-".parse().unwrap();
        let range: TensorSlice = "0,2".parse().unwrap();
        assert_ne!(full, range);
        assert!(full.is_full() && !range.is_full());
        assert_eq!(TensorSlice::from_proto(&full.to_proto()).unwrap(), full);
        assert_eq!(TensorSlice::from_proto(&range.to_proto()).unwrap(), range);
    }

    #[test]
    fn stored_slices_are_checked() {
        let stored = |start, length: Option<i64>| {
            let has_length_hack = length.map(wire::extent::HasLengthHack::Length);
            TensorSlice::from_proto(&pb::TensorSliceProto {
                extent: vec![wire::Extent { start, has_length_hack }],
            })
        };
        assert!(stored(0, None).is_ok());
        assert!(stored(1, None).is_err());
        assert!(stored(-1, Some(1)).is_err());
        assert!(stored(0, Some(0)).is_err());
        assert!(stored(i64::MAX, Some(1)).is_err());
        assert!("-:-:".repeat(200).parse::<TensorSlice>().is_err());
    }
}
