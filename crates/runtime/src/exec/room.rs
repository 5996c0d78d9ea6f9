use crate::Value;
use crate::exec::step::Values;
use crate::kernel::Place;

/// As many inputs and outputs as almost all steps have at most.
const FEW: usize = 6;

/// The places of a step's values in its own room: its inputs, then its outputs.
static PLACES: [Place; FEW] = {
    let mut places = [Place { slot: 0, is_last: true }; FEW];
    let mut idx = 0;
    while idx < FEW {
        places[idx].slot = idx as u32;
        idx += 1;
    }
    places
};

/// Room for the inputs and outputs of one step: on the stack, unless there are many.
pub(super) struct Room {
    n_inputs: usize,
    n: usize,
    few: [Option<Value>; FEW],
    many: Vec<Option<Value>>,
    many_places: Vec<Place>,
}

impl Room {
    /// Room for so many values, empty.
    pub(super) fn new(n_inputs: usize, n_outputs: usize) -> Room {
        let n = n_inputs + n_outputs;
        let (mut many, mut many_places) = (Vec::new(), Vec::new());
        if n > FEW {
            many.resize(n, None);
            many_places.extend((0..n as u32).map(|slot| Place { slot, is_last: true }));
        }
        Room { n_inputs, n, few: [const { None }; FEW], many, many_places }
    }

    /// The inputs.
    pub(super) fn inputs(&mut self) -> &mut [Option<Value>] {
        let n_inputs = self.n_inputs;
        &mut self.all()[..n_inputs]
    }

    /// The outputs.
    pub(super) fn outputs(&mut self) -> &mut [Option<Value>] {
        let n_inputs = self.n_inputs;
        &mut self.all()[n_inputs..]
    }

    /// All values, and where among them the inputs and the outputs are.
    pub(super) fn values(&mut self) -> Values<'_> {
        let (all, places) = match self.n > FEW {
            true => (&mut self.many[..], &self.many_places[..]),
            false => (&mut self.few[..self.n], &PLACES[..self.n]),
        };
        let (inputs, outputs) = places.split_at(self.n_inputs);
        Values { all, inputs, outputs }
    }

    fn all(&mut self) -> &mut [Option<Value>] {
        match self.n > FEW {
            true => &mut self.many,
            false => &mut self.few[..self.n],
        }
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::Tensor;

    use super::*;

    #[test]
    fn there_is_room_for_any_number() {
        for (n_inputs, n_outputs) in [(0, 0), (2, 1), (0, 6), (6, 0), (4, 3), (1, 20)] {
            let mut room = Room::new(n_inputs, n_outputs);
            room.inputs().fill(Some(Value::Host(Tensor::scalar(1.0f32))));
            assert_eq!(room.inputs().len(), n_inputs);
            assert_eq!(room.outputs().len(), n_outputs);
            let Values { all, inputs, outputs } = room.values();
            assert!(inputs.iter().all(|place| all[place.index()].is_some()));
            assert!(outputs.iter().all(|place| all[place.index()].is_none()));
        }
    }
}
