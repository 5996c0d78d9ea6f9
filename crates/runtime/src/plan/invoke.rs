/// Which bodies of a plan a step runs, on what condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invoke {
    /// The body, once.
    Call(usize),
    /// One of two, by the truth of the first input; the others are the arguments.
    If { then_body: usize, else_body: usize },
    /// The one that the first input names, or the last; the others are the arguments.
    Case(Vec<usize>),
    /// `body` on its own results, as long as `cond` says so.
    While { cond: usize, body: usize },
}

impl Invoke {
    /// All bodies that may run.
    pub(crate) fn bodies(&self) -> Vec<usize> {
        match self {
            Invoke::Call(body) => vec![*body],
            Invoke::If { then_body, else_body } => vec![*then_body, *else_body],
            Invoke::Case(bodies) => bodies.clone(),
            Invoke::While { cond, body } => vec![*cond, *body],
        }
    }
}
