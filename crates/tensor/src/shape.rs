use std::fmt;

use flowkeep_proto::pb;

use crate::Error;

/// The largest number of dimensions that TensorFlow allows.
pub const MAX_RANK: usize = 254;

const INLINE: usize = 6;

/// A shape with every dimension known.
///
/// Up to six dimensions are held in place, so that shapes of ordinary tensors cost no allocation.
#[derive(Clone)]
pub struct Shape(Dims);

#[derive(Clone)]
enum Dims {
    Inline { rank: u8, dims: [usize; INLINE] },
    Heap(Box<[usize]>),
}

impl Shape {
    /// The shape of a scalar: no dimensions, one element.
    pub const SCALAR: Shape = Shape(Dims::Inline { rank: 0, dims: [0; INLINE] });

    /// The shape with these dimensions, outermost first.
    pub fn new(dims: &[usize]) -> Shape {
        if dims.len() <= INLINE {
            let mut inline = [0; INLINE];
            inline[..dims.len()].copy_from_slice(dims);
            Shape(Dims::Inline { rank: dims.len() as u8, dims: inline })
        } else {
            Shape(Dims::Heap(dims.into()))
        }
    }

    /// The dimensions, outermost first.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        match &self.0 {
            Dims::Inline { rank, dims } => &dims[..usize::from(*rank)],
            Dims::Heap(dims) => dims,
        }
    }

    /// The number of dimensions.
    #[inline]
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// The number of elements; `usize::MAX` when the product does not fit (no tensor of that shape exists).
    #[inline]
    pub fn n_elements(&self) -> usize {
        self.checked_n_elements().unwrap_or(usize::MAX)
    }

    /// The number of elements, or `None` when the product does not fit into `isize`.
    #[inline]
    pub fn checked_n_elements(&self) -> Option<usize> {
        if self.dims().contains(&0) {
            return Some(0);
        }
        let n = self.dims().iter().try_fold(1usize, |n, dim| n.checked_mul(*dim))?;
        isize::try_from(n).ok().map(|_| n)
    }

    /// Whether this is the shape of a scalar.
    #[inline]
    pub fn is_scalar(&self) -> bool {
        self.rank() == 0
    }

    /// The shape of a stored `TensorShapeProto`, every dimension of which must be known.
    ///
    /// Errors: `INVALID_ARGUMENT` for an unknown rank, a negative dimension, too many dimensions, or
    /// a number of elements beyond 63 bits.
    pub fn from_proto(proto: &pb::TensorShapeProto) -> Result<Shape, Error> {
        let partial = PartialShape::from_proto(proto)?;
        let shape = partial
            .to_shape()
            .ok_or_else(|| Error::BadShape(format!("Shape {partial} is not fully defined")))?;
        if shape.checked_n_elements().is_none() {
            return Err(Error::BadShape(format!(
                "shape {shape} has more elements than can be addressed"
            )));
        }
        Ok(shape)
    }

    /// The stored form of this shape.
    pub fn to_proto(&self) -> pb::TensorShapeProto {
        PartialShape::from(self).to_proto()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        Shape::new(&dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Shape {
        Shape::new(dims)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Shape {
        Shape::new(&dims)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Shape) -> bool {
        self.dims() == other.dims()
    }
}

impl Eq for Shape {}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// TensorFlow's form: `[2,3]`, `[]` for a scalar.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (idx, dim) in self.dims().iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            write!(f, "{comma}{dim}")?;
        }
        f.write_str("]")
    }
}

/// A shape of which the rank, or single dimensions, may be unknown.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PartialShape {
    dims: Option<Vec<Option<u64>>>,
}

impl PartialShape {
    /// The shape of unknown rank.
    pub fn unknown() -> PartialShape {
        PartialShape { dims: None }
    }

    /// A shape of known rank, with `None` for unknown dimensions.
    pub fn new(dims: Vec<Option<u64>>) -> PartialShape {
        PartialShape { dims: Some(dims) }
    }

    /// The dimensions, or `None` when the rank is unknown.
    pub fn dims(&self) -> Option<&[Option<u64>]> {
        self.dims.as_deref()
    }

    /// The number of dimensions, if known.
    pub fn rank(&self) -> Option<usize> {
        self.dims.as_ref().map(Vec::len)
    }

    /// Whether a tensor of shape `shape` is one of this partial shape.
    pub fn matches(&self, shape: &Shape) -> bool {
        match &self.dims {
            None => true,
            Some(dims) => {
                dims.len() == shape.rank()
                    && dims
                        .iter()
                        .zip(shape.dims())
                        .all(|(a, b)| a.is_none_or(|a| usize::try_from(a) == Ok(*b)))
            }
        }
    }

    /// The complete shape, if everything is known.
    pub fn to_shape(&self) -> Option<Shape> {
        let dims: Option<Vec<usize>> = self
            .dims
            .as_ref()?
            .iter()
            .map(|dim| dim.and_then(|dim| usize::try_from(dim).ok()))
            .collect();
        dims.map(Shape::from)
    }

    /// The shape of a stored `TensorShapeProto`, where -1 stands for an unknown dimension.
    ///
    /// Errors: `INVALID_ARGUMENT` for dimensions below -1 and more than [`MAX_RANK`] dimensions.
    pub fn from_proto(proto: &pb::TensorShapeProto) -> Result<PartialShape, Error> {
        if proto.unknown_rank {
            return Ok(PartialShape::unknown());
        }
        if proto.dim.len() > MAX_RANK {
            return Err(Error::BadShape(format!(
                "shape has {} dimensions, more than {MAX_RANK}",
                proto.dim.len()
            )));
        }
        let dim = |size: i64| match size {
            -1 => Ok(None),
            size => u64::try_from(size)
                .map(Some)
                .map_err(|_| Error::BadShape(format!("shape has a dimension of size {size}"))),
        };
        proto.dim.iter().map(|d| dim(d.size)).collect::<Result<_, _>>().map(PartialShape::new)
    }

    /// The stored form of this shape.
    pub fn to_proto(&self) -> pb::TensorShapeProto {
        let dim = |dim: &Option<u64>| pb::tensor_shape_proto::Dim {
            size: dim.and_then(|dim| i64::try_from(dim).ok()).unwrap_or(-1),
            name: String::new(),
        };
        pb::TensorShapeProto {
            dim: self.dims.iter().flatten().map(dim).collect(),
            unknown_rank: self.dims.is_none(),
        }
    }
}

impl From<&Shape> for PartialShape {
    fn from(shape: &Shape) -> PartialShape {
        PartialShape::new(shape.dims().iter().map(|dim| Some(*dim as u64)).collect())
    }
}

/// TensorFlow's form: `[?,2]`, `<unknown>` when the rank is unknown.
impl fmt::Display for PartialShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(dims) = &self.dims else { return f.write_str("<unknown>") };
        f.write_str("[")?;
        for (idx, dim) in dims.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            match dim {
                Some(dim) => write!(f, "{comma}{dim}")?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_elements_and_notices_overflow() {
        assert_eq!(Shape::SCALAR.n_elements(), 1);
        assert_eq!(Shape::from([2, 3]).n_elements(), 6);
        assert_eq!(Shape::from([usize::MAX, 0, 7]).n_elements(), 0);
        assert_eq!(Shape::from([usize::MAX, 2]).checked_n_elements(), None);
        assert_eq!(Shape::from([1, 2, 3, 4, 5, 6, 7, 8]).rank(), 8);
    }

    #[test]
    fn partial_shapes_match_known_ones() {
        let partial = PartialShape::new(vec![None, Some(3)]);
        assert!(partial.matches(&Shape::from([5, 3])));
        assert!(!partial.matches(&Shape::from([5, 4])));
        assert!(!partial.matches(&Shape::from([3])));
        assert!(PartialShape::unknown().matches(&Shape::SCALAR));
        assert_eq!(partial.to_string(), "[?,3]");
        assert_eq!(PartialShape::unknown().to_string(), "<unknown>");
    }

    #[test]
    fn stored_shapes_are_checked() {
        let proto = |dims: &[i64]| pb::TensorShapeProto {
            dim: dims
                .iter()
                .map(|size| pb::tensor_shape_proto::Dim { size: *size, name: String::new() })
                .collect(),
            unknown_rank: false,
        };
        assert_eq!(Shape::from_proto(&proto(&[2, 0])).unwrap(), Shape::from([2, 0]));
        assert!(Shape::from_proto(&proto(&[-1])).is_err());
        assert!(Shape::from_proto(&proto(&[-2])).is_err());
        assert!(Shape::from_proto(&proto(&[i64::MAX, i64::MAX])).is_err());
        assert!(PartialShape::from_proto(&proto(&[1; 255])).is_err());
    }
}
