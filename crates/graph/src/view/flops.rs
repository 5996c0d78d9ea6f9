use std::collections::BTreeMap;

use flowkeep_tensor::PartialShape;

use super::Shapes;
use crate::{Graph, Node, NodeId};

/// The floating point operations of a node, by the definitions of TensorFlow's profiler.
///
/// It counts a fixed set of ops, approximately, and only in layout NHWC; its oddities are kept: `AddN`
/// counts control inputs as terms, the products of batches take `adj_x` for false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flops {
    /// The op is not one of those that are counted.
    NotCounted,
    /// It would be counted, if shapes were known and the layout was another.
    Unknown,
    /// So many; fractions are dropped, and what does not fit is the largest number.
    Known(u64),
}

/// What is counted of an op.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// So many for each element of input 0.
    Input(u64),
    /// So many for each element of output 0.
    Output(u64),
    /// For each element of input 0 so many, but none for the first of each sum.
    Reduce,
    L2Loss,
    AddN,
    MatMul,
    BatchMatMul,
    /// A convolution: for each element of output 0, two for each element of the filter's first so many
    /// dimensions.
    Conv(usize),
    ConvBackpropInput,
    ConvBackpropFilter,
    /// For each element of output 0, the area of the window.
    Pool,
    AvgPoolGrad,
    MaxPoolGrad,
}

/// Sorted by op.
const RULES: &[(&str, Rule)] = &[
    ("Add", Rule::Output(1)),
    ("AddN", Rule::AddN),
    ("AddV2", Rule::Output(1)),
    ("ArgMax", Rule::Reduce),
    ("ArgMin", Rule::Reduce),
    ("AssignAdd", Rule::Input(1)),
    ("AssignSub", Rule::Input(1)),
    ("AvgPool", Rule::Pool),
    ("AvgPoolGrad", Rule::AvgPoolGrad),
    ("BatchMatMul", Rule::BatchMatMul),
    ("BatchMatMulV2", Rule::BatchMatMul),
    ("BatchMatMulV3", Rule::BatchMatMul),
    ("BiasAdd", Rule::Input(1)),
    ("BiasAddGrad", Rule::Reduce),
    ("Conv2D", Rule::Conv(3)),
    ("Conv2DBackpropFilter", Rule::ConvBackpropFilter),
    ("Conv2DBackpropInput", Rule::ConvBackpropInput),
    ("Conv3D", Rule::Conv(4)),
    ("DepthwiseConv2dNative", Rule::Conv(2)),
    ("Dilation2D", Rule::Conv(2)),
    ("Equal", Rule::Output(1)),
    ("Greater", Rule::Output(1)),
    ("GreaterEqual", Rule::Output(1)),
    ("L2Loss", Rule::L2Loss),
    ("Less", Rule::Output(1)),
    ("LessEqual", Rule::Output(1)),
    ("Log", Rule::Input(1)),
    ("MatMul", Rule::MatMul),
    ("MaxPool", Rule::Pool),
    ("MaxPoolGrad", Rule::MaxPoolGrad),
    ("Maximum", Rule::Output(1)),
    // The sum, and a division for each element of the result.
    ("Mean", Rule::Input(1)),
    ("Minimum", Rule::Output(1)),
    ("Mul", Rule::Output(1)),
    ("Neg", Rule::Input(1)),
    ("NotEqual", Rule::Output(1)),
    ("Pow", Rule::Output(1)),
    ("RealDiv", Rule::Output(1)),
    ("Reciprocal", Rule::Input(1)),
    ("Rsqrt", Rule::Input(2)),
    ("RsqrtGrad", Rule::Output(4)),
    ("Softmax", Rule::Input(5)),
    ("Square", Rule::Input(1)),
    ("SquaredDifference", Rule::Output(2)),
    ("Sub", Rule::Output(1)),
    ("Sum", Rule::Reduce),
];

impl Flops {
    /// What a node computes.
    pub fn of(node: &Node, id: NodeId, shapes: &Shapes) -> Flops {
        let Ok(idx) = RULES.binary_search_by(|(op, _)| (*op).cmp(node.op())) else {
            return Flops::NotCounted;
        };
        let rule = RULES.get(idx).map(|(_, rule)| *rule);
        let count = rule.and_then(|rule| Counted { node, id, shapes }.count(rule));
        count.map_or(Flops::Unknown, |n| Flops::Known(u64::try_from(n).unwrap_or(u64::MAX)))
    }
}

struct Counted<'a> {
    node: &'a Node,
    id: NodeId,
    shapes: &'a Shapes,
}

impl Counted<'_> {
    fn count(&self, rule: Rule) -> Option<u128> {
        Some(match rule {
            Rule::Input(n) => times(self.input(0)?.elements()?, n.into()),
            Rule::Output(n) => times(self.output()?.elements()?, n.into()),
            Rule::Reduce => self.input(0)?.elements()?.saturating_sub(self.output()?.elements()?),
            Rule::L2Loss => times(self.input(0)?.elements()?, 3).saturating_sub(1),
            Rule::AddN => {
                let n_inputs = self.node.inputs().len() + self.node.control_inputs().len();
                match u64::try_from(n_inputs).ok()?.checked_sub(1) {
                    None => 0,
                    Some(n) => times(self.input(0)?.elements()?, n.into()),
                }
            }
            Rule::MatMul => {
                let depth = usize::from(!self.flag("transpose_a"));
                self.product(depth)?
            }
            Rule::BatchMatMul => self.product(self.input(0)?.0.len().checked_sub(1)?)?,
            Rule::Conv(n_dims) => {
                self.input(0)?;
                let filter = Dims(self.input(1)?.0.get(..n_dims)?.to_vec());
                times(times(self.output()?.elements()?, filter.elements()?), 2)
            }
            Rule::ConvBackpropInput => self.backprop(self.output()?, self.input(1)?)?,
            Rule::ConvBackpropFilter => self.backprop(self.input(0)?, self.output()?)?,
            Rule::Pool => times(self.output()?.elements()?, self.window()?),
            Rule::AvgPoolGrad => times(times(self.input(1)?.elements()?, self.window()?), 2),
            Rule::MaxPoolGrad => {
                times(self.input(1)?.elements()?, self.window()?.saturating_add(1))
            }
        })
    }

    /// Two for each element of the product and of its sums, along a dimension of the first factor.
    fn product(&self, depth: usize) -> Option<u128> {
        let depth = *self.input(0)?.0.get(depth)?;
        Some(times(times(self.output()?.elements()?, depth.into()), 2))
    }

    fn backprop(&self, image: Dims, filter: Dims) -> Option<u128> {
        self.check_layout()?;
        let strides = self.node.attrs().ints("strides").ok()?;
        let stride = |idx: usize| strides.get(idx).and_then(|n| u128::try_from(*n).ok());
        let area = times(stride(1)?, stride(2)?);
        let n_channels = u128::from(*image.0.last()?);
        let all = times(times(image.elements()?, filter.elements()?), 2);
        all.checked_div(times(n_channels, area))
    }

    /// The elements of a pool's window.
    fn window(&self) -> Option<u128> {
        self.check_layout()?;
        let sizes = self.node.attrs().ints("ksize").ok()?;
        let sizes = sizes.iter().map(|size| u64::try_from(*size).ok());
        Dims(sizes.collect::<Option<_>>()?).elements()
    }

    fn check_layout(&self) -> Option<()> {
        let layout = self.node.attrs().str("data_format").ok()?;
        (&layout[..] == b"NHWC").then_some(())
    }

    fn flag(&self, attr: &str) -> bool {
        self.node.attrs().bool(attr).unwrap_or_default()
    }

    fn input(&self, idx: usize) -> Option<Dims> {
        Dims::of(&self.shapes.get(*self.node.inputs().get(idx)?))
    }

    fn output(&self) -> Option<Dims> {
        Dims::of(&self.shapes.get(self.id.output(0)))
    }
}

/// The dimensions of a shape that is wholly known.
#[derive(Debug)]
struct Dims(Vec<u64>);

impl Dims {
    fn of(shape: &PartialShape) -> Option<Dims> {
        shape.dims()?.iter().copied().collect::<Option<_>>().map(Dims)
    }

    fn elements(&self) -> Option<u128> {
        Some(self.0.iter().fold(1, |n, dim| times(n, (*dim).into())))
    }
}

fn times(a: u128, b: u128) -> u128 {
    a.saturating_mul(b)
}

/// The operations of several nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlopTotals {
    /// All that are known.
    pub flops: u64,
    /// The nodes of which they are known.
    pub n_known: u64,
    /// The nodes that would be counted, if their shapes were known.
    pub n_unknown: u64,
    /// The same for each op, the one with most operations first.
    pub by_op: Vec<OpFlops>,
}

/// The operations of all nodes of an op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFlops {
    /// The op.
    pub op: String,
    /// All that are known.
    pub flops: u64,
    /// The nodes of which they are known.
    pub n_known: u64,
    /// The nodes of which they are not.
    pub n_unknown: u64,
}

/// A sum under way: known operations, nodes that are known and nodes that are not, by op.
#[derive(Clone, Debug, Default)]
pub(super) struct FlopSum(BTreeMap<String, [u64; 3]>);

impl FlopSum {
    pub(super) fn of_graph(graph: &Graph, shapes: &Shapes) -> FlopSum {
        let mut sum = FlopSum::default();
        for (id, node) in graph.iter() {
            match Flops::of(node, id, shapes) {
                Flops::NotCounted => {}
                Flops::Unknown => sum.add_op(node.op(), [0, 0, 1]),
                Flops::Known(n) => sum.add_op(node.op(), [n, 1, 0]),
            }
        }
        sum
    }

    /// Adds another sum so many times.
    pub(super) fn add(&mut self, other: &FlopSum, n_times: u64) {
        for (op, counts) in other.0.iter().filter(|_| n_times > 0) {
            self.add_op(op, counts.map(|n| n.saturating_mul(n_times)));
        }
    }

    fn add_op(&mut self, op: &str, counts: [u64; 3]) {
        if !self.0.contains_key(op) {
            self.0.insert(op.to_owned(), [0; 3]);
        }
        if let Some(sum) = self.0.get_mut(op) {
            sum.iter_mut().zip(counts).for_each(|(sum, n)| *sum = sum.saturating_add(n));
        }
    }

    pub(super) fn totals(&self) -> FlopTotals {
        let by_op = self.0.iter().map(|(op, [flops, n_known, n_unknown])| OpFlops {
            op: op.clone(),
            flops: *flops,
            n_known: *n_known,
            n_unknown: *n_unknown,
        });
        let mut by_op: Vec<_> = by_op.collect();
        by_op.sort_by(|a, b| b.flops.cmp(&a.flops).then_with(|| a.op.cmp(&b.op)));
        let sum = |of: fn(&OpFlops) -> u64| by_op.iter().map(of).fold(0, u64::saturating_add);
        FlopTotals {
            flops: sum(|op| op.flops),
            n_known: sum(|op| op.n_known),
            n_unknown: sum(|op| op.n_unknown),
            by_op,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op_def;

    #[test]
    fn rules_are_sorted_and_of_ops_that_exist() {
        assert!(RULES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (op, _) in RULES {
            assert!(op_def::lookup(op).is_some(), "{op}");
        }
    }

    #[test]
    fn products_that_are_too_large_are_the_largest_number() {
        let dims = Dims(vec![u64::MAX; 9]);
        assert_eq!(dims.elements(), Some(u128::MAX));
    }
}
