use crate::Value;

/// As many inputs or outputs as almost all steps have at most.
const FEW: usize = 3;

/// Room for the inputs or outputs of a step: on the stack, unless there are many.
pub(super) struct Room {
    n: usize,
    few: [Option<Value>; FEW],
    many: Vec<Option<Value>>,
}

impl Room {
    /// Room for `n` values, empty.
    pub(super) fn new(n: usize) -> Room {
        let many = if n > FEW { vec![None; n] } else { Vec::new() };
        Room { n, few: [const { None }; FEW], many }
    }

    /// The values.
    pub(super) fn values(&mut self) -> &mut [Option<Value>] {
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
        for n in 0..8 {
            let mut room = Room::new(n);
            assert_eq!(room.values().len(), n);
            room.values().fill(Some(Value::Host(Tensor::scalar(1.0f32))));
            assert!(room.values().iter().all(Option::is_some));
        }
    }
}
