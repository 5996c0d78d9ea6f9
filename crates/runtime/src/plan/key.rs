/// What a run asks for, by TensorFlow's names: the key under which its plan is cached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RunKey {
    /// The tensors that get values from outside (`"x:0"` or `"x"`).
    pub feeds: Vec<String>,
    /// The tensors whose values are wanted.
    pub fetches: Vec<String>,
    /// The nodes that must run, without a value being wanted.
    pub targets: Vec<String>,
}

impl RunKey {
    /// The key of these names.
    pub fn new(feeds: &[&str], fetches: &[&str], targets: &[&str]) -> RunKey {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        RunKey { feeds: owned(feeds), fetches: owned(fetches), targets: owned(targets) }
    }
}
