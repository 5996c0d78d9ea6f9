use std::collections::{HashMap, HashSet};

use crate::Value;
use crate::exec::flat::Observer;
use crate::plan::Step;

/// The ops whose outputs are weights: there before the run, and after it.
const WEIGHTS: &[&str] = &["Const", "ReadVariableOp"];

/// Counts the bytes of the tensors that live at once while steps run one after another: what a step
/// reads, what it gives, and what later steps want. Memory that several values share counts once;
/// weights do not count.
///
/// That is the least that any executor needs for these steps in this order.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    weights: HashSet<usize>,
    pub(super) weight_bytes: usize,
    before: HashMap<usize, usize>,
    pub(super) peak_bytes: usize,
}

impl Ledger {
    /// The address and length of each live tensor that is no weight.
    fn live(&self, values: &[Option<Value>]) -> HashMap<usize, usize> {
        let memories = values.iter().flatten().filter_map(memory);
        memories.filter(|(address, _)| !self.weights.contains(address)).collect()
    }
}

impl Observer for Ledger {
    fn before(&mut self, values: &[Option<Value>]) {
        self.before = self.live(values);
    }

    fn after(&mut self, step: &Step, values: &[Option<Value>]) {
        let live = self.live(values);
        if WEIGHTS.contains(&&*step.op) {
            for (address, n) in live.iter().filter(|(at, _)| !self.before.contains_key(at)) {
                self.weights.insert(*address);
                self.weight_bytes += n;
            }
            return;
        }
        let mut both = std::mem::take(&mut self.before);
        both.extend(live);
        self.peak_bytes = self.peak_bytes.max(both.values().sum());
    }
}

fn memory(value: &Value) -> Option<(usize, usize)> {
    let Value::Host(tensor) = value else { return None };
    let bytes = tensor.as_bytes().ok().filter(|bytes| !bytes.is_empty())?;
    Some((bytes.as_ptr() as usize, bytes.len()))
}
