//! The tensors that arguments stand for, and their types.

use std::fmt;
use std::ops::Range;

use flowkeep_tensor::DType;

use super::{ArgDef, ArgType, OpDef};
use crate::few::Few;
use crate::{Attrs, Error};

/// A node has at most this many inputs, and as many outputs.
const MAX_PORTS: usize = 1 << 20;

/// The type of an input or output of a node: a data type, or a reference to a variable of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortType {
    /// The data type.
    pub dtype: DType,
    /// Whether it is a reference.
    pub is_ref: bool,
}

impl PortType {
    /// The type of values of `dtype`.
    pub fn value(dtype: DType) -> PortType {
        PortType { dtype, is_ref: false }
    }

    /// Whether an output of type `source` may feed an input of this type: the same type, or a
    /// reference that is read on the way.
    pub fn accepts(self, source: PortType) -> bool {
        self.dtype == source.dtype && (source.is_ref || !self.is_ref)
    }
}

/// `float`, or `float_ref` for a reference.
impl fmt::Display for PortType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, if self.is_ref { "_ref" } else { "" })
    }
}

/// Types of inputs or outputs; few nodes have many.
pub(crate) type PortTypes = Few<PortType, 8>;

/// The tensors that a list of arguments stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    types: PortTypes,
    /// Where each argument's tensors end; empty when each argument is one tensor.
    ends: Vec<usize>,
}

impl Ports {
    /// The types of all tensors, in order.
    pub fn types(&self) -> &[PortType] {
        &self.types
    }

    /// The type of one tensor.
    pub fn get(&self, index: u32) -> Option<PortType> {
        self.types.get(usize::try_from(index).ok()?).copied()
    }

    /// The tensors of the argument at position `arg`.
    pub fn range(&self, arg: usize) -> Option<Range<usize>> {
        if self.ends.is_empty() {
            return (arg < self.types.len()).then(|| arg..arg + 1);
        }
        let end = *self.ends.get(arg)?;
        let start = match arg.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start..end)
    }

    /// The types alone.
    pub(crate) fn into_types(self) -> PortTypes {
        self.types
    }
}

impl OpDef {
    /// The inputs of a node with these attributes.
    ///
    /// Errors: `INVALID_ARGUMENT` when the attributes do not give the number or the types of them.
    pub fn input_ports(&self, attrs: &Attrs) -> Result<Ports, Error> {
        ports(&self.inputs, attrs)
    }

    /// The outputs of a node with these attributes.
    ///
    /// Errors: `INVALID_ARGUMENT` when the attributes do not give the number or the types of them.
    pub fn output_ports(&self, attrs: &Attrs) -> Result<Ports, Error> {
        ports(&self.outputs, attrs)
    }
}

fn ports(args: &[ArgDef], attrs: &Attrs) -> Result<Ports, Error> {
    let mut ports = Ports::default();
    let has_lists = args.iter().any(ArgDef::is_list);
    for arg in args {
        expand(arg, attrs, &mut ports)?;
        if has_lists {
            ports.ends.push(ports.types.len());
        }
    }
    Ok(ports)
}

fn expand(arg: &ArgDef, attrs: &Attrs, ports: &mut Ports) -> Result<(), Error> {
    let too_big = |n: i64| Error::Arguments(format!("Number of outputs is too big: {n}"));
    let port = |dtype| PortType { dtype, is_ref: arg.is_ref };
    let room = MAX_PORTS.saturating_sub(ports.types.len());
    let dtype = match &arg.ty {
        ArgType::TypeListAttr(name) => {
            let types = attrs.types(name)?;
            if types.len() > room {
                return Err(too_big(i64::try_from(types.len()).unwrap_or(i64::MAX)));
            }
            ports.types.extend(types.iter().map(|dtype| port(*dtype)));
            return Ok(());
        }
        ArgType::TypeAttr(name) => attrs.dtype(name)?,
        ArgType::Fixed(dtype) => *dtype,
        ArgType::Missing => {
            return Err(Error::Arguments(format!("No type fields in {}", arg.name)));
        }
    };
    let n = match &arg.number_attr {
        None => 1,
        Some(name) => attrs.int(name)?,
    };
    match usize::try_from(n) {
        Ok(n) if n <= room => ports.types.push(port(dtype), n),
        Ok(_) => return Err(too_big(n)),
        Err(_) => {
            return Err(Error::Arguments(format!("Value for number_attr {n} < 0")));
        }
    }
    Ok(())
}
