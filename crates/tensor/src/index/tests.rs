use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::{Code, Complex, DType};

const CASES: &str = include_str!("../../../../fixtures/numpy_index/cases.json");

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// 0, 1, 2, ... in row-major order.
fn counting(shape: &Shape) -> Tensor {
    Tensor::from_vec(shape, (0..shape.n_elements() as u32).collect()).unwrap()
}

/// First index and number of indices per dimension, from NumPy's first and last.
fn ranges(bounds: &Value) -> Vec<(u64, u64)> {
    let range = |pair: &Vec<usize>| (pair[0] as u64, (pair[1] - pair[0]) as u64 + 1);
    bounds.as_array().unwrap().iter().map(|pair| range(&numbers(pair))).collect()
}

#[test]
fn indices_take_what_numpy_takes() {
    let fixture: Value = serde_json::from_str(CASES).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 600);
    for case in cases {
        let text = case["index"].as_str().unwrap();
        let shape = Shape::from(numbers(&case["shape"]));
        let place = format!("{shape} {text}");
        let selection = text.parse::<TensorIndex>().and_then(|index| index.resolve(&shape));
        if let Some(message) = case["error"].as_str() {
            let error = selection.expect_err(&place);
            assert_eq!(error.to_string(), message, "{place}");
            assert_eq!(error.code(), Code::InvalidArgument, "{place}");
            continue;
        }
        let selection = selection.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(selection.shape().dims(), numbers(&case["result"]), "{place}");
        match selection.bounding_slice() {
            None => assert!(case["bounds"].is_null(), "{place}"),
            Some(slice) => {
                assert_eq!(slice.resolve(&shape).unwrap(), ranges(&case["bounds"]), "{place}");
            }
        }
        if case["values"].is_array() {
            let taken = counting(&shape).index(&text.parse().unwrap()).unwrap();
            let values: Vec<u32> = numbers(&case["values"]).iter().map(|n| *n as u32).collect();
            assert_eq!(taken.shape(), selection.shape(), "{place}");
            assert_eq!(taken.as_slice::<u32>().unwrap(), values, "{place}");
        }
    }
}

/// A small generator of numbers that only need to look random (Knuth's multiplier).
struct Random(u64);

impl Random {
    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        low + ((self.0 >> 33) % (high - low + 1) as u64) as i64
    }

    fn bound(&mut self, dim: usize) -> Option<i64> {
        let dim = dim as i64;
        (self.between(0, 2) > 0).then(|| self.between(-dim - 2, dim + 2))
    }

    fn shape(&mut self) -> Shape {
        let rank = self.between(0, 5);
        (0..rank).map(|_| self.between(i64::from(rank > 3), 4) as usize).collect::<Vec<_>>().into()
    }

    /// Items for some dimensions of `shape`, and the dimensions that they index.
    fn items(&mut self, shape: &Shape) -> (Vec<IndexItem>, Vec<Option<IndexItem>>) {
        let rank = shape.rank() as i64;
        let n_head = self.between(0, rank);
        let n_tail = self.between(0, rank - n_head);
        let mut by_axis = vec![None; shape.rank()];
        let mut items = Vec::new();
        for axis in (0..n_head).chain(rank - n_tail..rank) {
            if axis == rank - n_tail {
                items.push(IndexItem::Ellipsis);
            }
            let dim = shape.dims()[axis as usize];
            let item = if dim > 0 && self.between(0, 2) == 0 {
                IndexItem::At(self.between(-(dim as i64), dim as i64 - 1))
            } else {
                let step = Some(self.between(-3, 3)).filter(|step| *step != 0);
                IndexItem::Slice { start: self.bound(dim), stop: self.bound(dim), step }
            };
            items.push(item);
            by_axis[axis as usize] = Some(item);
        }
        (items, by_axis)
    }
}

/// The indices that an item takes, by trying each one.
fn naive_indices(item: Option<IndexItem>, dim: usize) -> Vec<usize> {
    let dim = dim as i64;
    let from_start = |bound: i64| if bound < 0 { bound + dim } else { bound };
    let indices: Vec<i64> = match item {
        None | Some(IndexItem::Ellipsis) => (0..dim).collect(),
        Some(IndexItem::At(idx)) => vec![from_start(idx)],
        Some(IndexItem::Slice { start, stop, step }) => {
            let step = step.unwrap_or(1);
            let start = start.map(from_start);
            let stop = stop.map(from_start);
            if step > 0 {
                let first = start.unwrap_or(0).max(0);
                let taken = |idx: &i64| *idx >= first && (idx - first) % step == 0;
                (0..dim).filter(taken).filter(|idx| stop.is_none_or(|stop| *idx < stop)).collect()
            } else {
                let first = start.unwrap_or(dim).min(dim - 1);
                let taken = |idx: &i64| *idx <= first && (first - idx) % step == 0;
                let stop = |idx: &i64| stop.is_none_or(|stop| *idx > stop);
                (0..dim).rev().filter(taken).filter(stop).collect()
            }
        }
    };
    indices.into_iter().map(|idx| idx as usize).collect()
}

/// The row-major indices of all combinations.
fn naive_places(indices: &[Vec<usize>], shape: &Shape) -> Vec<usize> {
    let mut places = vec![0];
    for (indices, dim) in indices.iter().zip(shape.dims()) {
        places =
            places.iter().flat_map(|at| indices.iter().map(move |idx| at * dim + idx)).collect();
    }
    places
}

#[test]
fn any_index_takes_what_trying_every_element_takes() {
    let mut random = Random(1);
    for round in 0..20_000 {
        let shape = random.shape();
        let (items, by_axis) = random.items(&shape);
        let index = TensorIndex::new(items).unwrap();
        let indices: Vec<Vec<usize>> = by_axis
            .iter()
            .zip(shape.dims())
            .map(|(item, dim)| naive_indices(*item, *dim))
            .collect();
        let kept: Vec<usize> = by_axis
            .iter()
            .zip(&indices)
            .filter(|(item, _)| !matches!(item, Some(IndexItem::At(_))))
            .map(|(_, indices)| indices.len())
            .collect();
        let places: Vec<u32> =
            naive_places(&indices, &shape).iter().map(|place| *place as u32).collect();

        let tensor = counting(&shape);
        let taken = tensor.index(&index).unwrap();
        assert_eq!(taken.dims(), kept, "round {round}: {shape} {index}");
        assert_eq!(taken.as_slice::<u32>().unwrap(), places, "round {round}: {shape} {index}");
        assert_eq!(index.to_string().parse::<TensorIndex>().unwrap(), index);

        let selection = index.resolve(&shape).unwrap();
        let Some(slice) = selection.bounding_slice() else {
            assert!(places.is_empty());
            continue;
        };
        let ranges = slice.resolve(&shape).unwrap();
        for ((start, length), indices) in ranges.iter().zip(&indices) {
            let (low, high) = (indices.iter().min().unwrap(), indices.iter().max().unwrap());
            assert_eq!((*low as u64, *high as u64 + 1), (*start, start + length), "round {round}");
        }
        let piece: Vec<Vec<usize>> = ranges
            .iter()
            .map(|(start, length)| (*start as usize..(start + length) as usize).collect())
            .collect();
        let piece = naive_places(&piece, &shape).iter().map(|place| *place as u32).collect();
        let piece = Tensor::from_vec(slice.shape_in(&shape).unwrap(), piece).unwrap();
        assert!(selection.within_bounds().apply(&piece).unwrap() == taken, "round {round}");
    }
}

#[test]
fn elements_of_every_type_are_taken() {
    let index: TensorIndex = "::-1,0".parse().unwrap();
    for dtype in DType::ALL {
        let Some(size) = dtype.size_bytes() else { continue };
        let pattern = |n: usize| vec![(n % 2) as u8; size];
        let bytes: Vec<u8> = (0..6).flat_map(pattern).collect();
        let tensor = Tensor::from_bytes(*dtype, [3, 2], bytes.into()).unwrap();
        let taken = tensor.index(&"1,::-1".parse().unwrap()).unwrap();
        assert_eq!((taken.dtype(), taken.dims()), (*dtype, &[2][..]));
        assert_eq!(taken.as_bytes().unwrap(), [pattern(1), pattern(0)].concat());
        assert_eq!(
            tensor.index(&index).unwrap().as_bytes().unwrap(),
            [pattern(0), pattern(0), pattern(0)].concat()
        );
    }
    let wide = |n: i32| Complex { re: f64::from(n), im: -f64::from(n) };
    let tensor = Tensor::from_vec([3, 2], (0..6).map(wide).collect()).unwrap();
    let expected = [wide(4), wide(2), wide(0)];
    assert_eq!(tensor.index(&index).unwrap().as_slice::<Complex<f64>>().unwrap(), expected);
    let words: Vec<Bytes> =
        [&b"a"[..], b"b", b"cc", b"d", b"", b"f"].map(Bytes::from_static).into();
    let tensor = Tensor::from_strings([3, 2], words).unwrap();
    assert_eq!(tensor.index(&index).unwrap().as_strings().unwrap(), ["", "cc", "a"]);
    assert_eq!(tensor.index(&"1,0".parse().unwrap()).unwrap().as_strings().unwrap(), ["cc"]);
    assert_eq!(tensor.index(&"3:".parse().unwrap()).unwrap().dims(), [0, 2]);
}

#[test]
fn taking_everything_shares_the_elements() {
    let tensor = counting(&Shape::from([1, 2, 3]));
    let ptr = |tensor: &Tensor| tensor.as_bytes().unwrap().as_ptr();
    for (index, shape) in [("...", vec![1, 2, 3]), ("0", vec![2, 3]), ("::-1,0:9:1", vec![1, 2, 3])]
    {
        let taken = tensor.index(&index.parse().unwrap()).unwrap();
        assert_eq!((taken.dims(), ptr(&taken)), (&shape[..], ptr(&tensor)), "{index}");
    }
    let row = tensor.index(&"0,1".parse().unwrap()).unwrap();
    assert_ne!(ptr(&row), ptr(&tensor));
}

#[test]
fn steps_that_are_not_taken_may_be_of_any_size() {
    let tensor = counting(&Shape::from([3, 2]));
    for (index, values) in [
        ("::9223372036854775807", &[0, 1][..]),
        ("::-9223372036854775808,::-1", &[5, 4]),
        ("1:,9223372036854775807:-9223372036854775808:-9223372036854775808", &[3, 5]),
    ] {
        let taken = tensor.index(&index.parse().unwrap()).unwrap();
        assert_eq!(taken.as_slice::<u32>().unwrap(), values, "{index}");
    }
}

#[test]
fn a_selection_fits_one_shape() {
    let selection = "0".parse::<TensorIndex>().unwrap().resolve(&Shape::from([4])).unwrap();
    let error = selection.apply(&counting(&Shape::from([5]))).unwrap_err();
    assert_eq!(error.to_string(), "expected a tensor of shape [4], got [5]");
}

#[test]
fn text_of_any_kind_is_no_panic() {
    let mut random = Random(2);
    let alphabet: Vec<char> = "0123456789:,.-+ \tx[]é".chars().collect();
    let mut n_parsed = 0;
    for _ in 0..50_000 {
        let len = random.between(0, 9);
        let letter = |_| alphabet[random.between(0, alphabet.len() as i64 - 1) as usize];
        let text: String = (0..len).map(letter).collect();
        if let Ok(index) = text.parse::<TensorIndex>() {
            n_parsed += 1;
            assert_eq!(index.to_string().parse::<TensorIndex>().unwrap(), index, "{text:?}");
            let _ = counting(&Shape::from([3, 2])).index(&index);
        }
    }
    assert!(n_parsed > 1000, "{n_parsed}");
}
