//! The equations of `Einsum`.

use std::collections::HashMap;

use flowkeep_tensor::Tensor;

use crate::kernel::Status;

/// What stands for a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    Named(char),
    /// A dimension of the ellipsis, counted from its last one.
    Broadcast(usize),
}

/// An equation of one or two operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Equation {
    inputs: Vec<Subscripts>,
    output: Subscripts,
}

/// The labels of an operand, before and after its ellipsis.
#[derive(Clone, Debug, PartialEq)]
struct Subscripts {
    before: Vec<Label>,
    /// None without an ellipsis.
    after: Option<Vec<Label>>,
}

/// An equation with the dimensions that it is about.
pub(super) struct Bound {
    /// The labels of each input.
    pub(super) inputs: Vec<Vec<Label>>,
    pub(super) output: Vec<Label>,
    pub(super) sizes: HashMap<Label, usize>,
}

impl Equation {
    /// Reads an equation of `n` operands.
    ///
    /// Errors: `INVALID_ARGUMENT` for more or fewer operands, more than one arrow or ellipsis of an operand, and
    /// output labels that no operand has.
    pub(super) fn parse(text: &str, n: usize) -> Result<Equation, Status> {
        let error = |message: String| Err(Status::invalid_argument(message));
        let sides: Vec<&str> = text.split("->").collect();
        let [inputs, output] = sides[..] else {
            return error(format!("Expecting exactly one '->' in einsum equation: {text}"));
        };
        let inputs: Vec<&str> = inputs.split(',').collect();
        if inputs.len() > 2 {
            return error(format!(
                "Expecting 1 or 2 input subscripts in equation '{text}' but got: {}",
                inputs.len()
            ));
        }
        if inputs.len() != n {
            return error(format!(
                "Expecting {} inputs for equation '{text}' but got: {n}",
                inputs.len()
            ));
        }
        let inputs: Vec<Subscripts> = inputs
            .into_iter()
            .map(|part| Subscripts::parse(part, text))
            .collect::<Result<_, _>>()?;
        let output = Subscripts::parse(output, text)?;
        let is_given =
            |label: &&Label| inputs.iter().any(|input| input.named().any(|l| l == *label));
        if let Some(Label::Named(label)) = output.named().find(|label| !is_given(label)) {
            return error(format!("output label '{label}' of equation '{text}' is in no input"));
        }
        Ok(Equation { inputs, output })
    }

    /// Gives each dimension of the inputs its label.
    ///
    /// Errors: `INVALID_ARGUMENT` for other ranks, and sizes that differ or do not broadcast.
    pub(super) fn bind(&self, tensors: &[&Tensor]) -> Result<Bound, Status> {
        let mut bound = Bound { inputs: Vec::new(), output: Vec::new(), sizes: HashMap::new() };
        let mut n_broadcast = 0;
        for (idx, (tensor, subscripts)) in tensors.iter().zip(&self.inputs).enumerate() {
            let (rank, n_named) = (tensor.shape().rank(), subscripts.named().count());
            if rank < n_named || (subscripts.after.is_none() && rank != n_named) {
                let at_least = if subscripts.after.is_some() { "at least " } else { "" };
                return Err(Status::invalid_argument(format!(
                    "Expected input {idx} to have rank {at_least}{n_named} but got: {rank}"
                )));
            }
            n_broadcast = n_broadcast.max(rank - n_named);
            bound.inputs.push(subscripts.labels(rank - n_named));
        }
        if n_broadcast > 0 && self.output.after.is_none() {
            return Err(Status::invalid_argument(format!(
                "Output contains {n_broadcast} broadcasting dimension(s) but no ellipsis (...) was found \
                 in the output subscripts."
            )));
        }
        bound.output = self.output.labels(n_broadcast);
        for (tensor, labels) in tensors.iter().zip(&bound.inputs) {
            for (axis, (label, &dim)) in labels.iter().zip(tensor.dims()).enumerate() {
                let size = bound.sizes.entry(*label).or_insert(dim);
                match label {
                    _ if *size == dim => {}
                    Label::Broadcast(_) if *size == 1 => *size = dim,
                    Label::Broadcast(_) if dim == 1 => {}
                    Label::Broadcast(_) => {
                        let shapes: Vec<String> =
                            tensors.iter().map(|tensor| tensor.shape().to_string()).collect();
                        return Err(Status::invalid_argument(format!(
                            "Invalid broadcasting dimensions: {}",
                            shapes.join(" vs. ")
                        )));
                    }
                    Label::Named(_) => {
                        return Err(Status::invalid_argument(format!(
                            "Expected dimension {size} at axis {axis} of the input shaped {} but got \
                             dimension {dim}",
                            tensor.shape()
                        )));
                    }
                }
            }
        }
        Ok(bound)
    }
}

impl Subscripts {
    fn parse(part: &str, equation: &str) -> Result<Subscripts, Status> {
        let labels = |part: &str| {
            if part.contains('.') {
                return Err(Status::invalid_argument(format!(
                    "periods belong to one ellipsis (...) per operand in equation '{equation}'"
                )));
            }
            Ok(part.chars().map(Label::Named).collect())
        };
        Ok(match part.split_once("...") {
            Some((before, after)) => {
                Subscripts { before: labels(before)?, after: Some(labels(after)?) }
            }
            None => Subscripts { before: labels(part)?, after: None },
        })
    }

    fn named(&self) -> impl Iterator<Item = &Label> {
        self.before.iter().chain(self.after.iter().flatten())
    }

    /// All labels, with an ellipsis of `n` dimensions.
    fn labels(&self, n: usize) -> Vec<Label> {
        let mut labels = self.before.clone();
        if let Some(after) = &self.after {
            labels.extend((0..n).rev().map(Label::Broadcast));
            labels.extend(after);
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipsis_counts_from_its_end() {
        let equation = Equation::parse("i...j,...->...i", 2).unwrap();
        let (a, b) = (Label::Broadcast(0), Label::Broadcast(1));
        assert_eq!(equation.inputs[0].labels(2), [Label::Named('i'), b, a, Label::Named('j')]);
        assert_eq!(equation.inputs[1].labels(1), [a]);
    }

    #[test]
    fn bad_equations_are_refused() {
        let message = |text, n| Equation::parse(text, n).unwrap_err().message().to_owned();
        assert_eq!(message("ij,jk", 2), "Expecting exactly one '->' in einsum equation: ij,jk");
        assert_eq!(
            message("i,j,k->", 3),
            "Expecting 1 or 2 input subscripts in equation 'i,j,k->' but got: 3"
        );
        for text in ["->->", "", "i..->i", "...i...->i", "i->k", "i.->i"] {
            assert!(Equation::parse(text, 1).is_err(), "{text}");
        }
        assert!(Equation::parse("i,j->i", 1).is_err());
    }
}
