//! Definitions as TensorFlow writes them in its messages.

use std::fmt;

use super::{ArgDef, ArgType, AttrDef, OpDef};

/// `Op<name=…; signature=inputs -> outputs; attr=…; …>`.
impl fmt::Display for OpDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args =
            |args: &[ArgDef]| args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        write!(
            f,
            "Op<name={}; signature={} -> {}",
            self.name,
            args(&self.inputs),
            args(&self.outputs)
        )?;
        for attr in &self.attrs {
            write!(f, "; attr={attr}")?;
        }
        for (is_set, trait_name) in [
            (self.is_commutative, "is_commutative"),
            (self.is_aggregate, "is_aggregate"),
            (self.is_stateful, "is_stateful"),
            (self.allows_uninitialized_input, "allows_uninitialized_input"),
            (self.is_distributed_communication, "is_distributed_communication"),
        ] {
            if is_set {
                write!(f, "; {trait_name}=true")?;
            }
        }
        f.write_str(">")
    }
}

/// `name:type`, with `Ref(type)` for references and `N*type` for `N` tensors.
impl fmt::Display for ArgDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if self.is_ref {
            f.write_str("Ref(")?;
        }
        if let Some(number_attr) = &self.number_attr {
            write!(f, "{number_attr}*")?;
        }
        match &self.ty {
            ArgType::Fixed(dtype) => f.write_str(dtype.name())?,
            ArgType::TypeAttr(attr) => f.write_str(attr)?,
            ArgType::TypeListAttr(_) | ArgType::Missing => {}
        }
        if self.is_ref {
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// `name:kind`, then default, minimum and allowed values where there are any.
impl fmt::Display for AttrDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.kind.name())?;
        if let Some(default) = &self.default {
            write!(f, ",default={default}")?;
        }
        if let Some(minimum) = self.minimum {
            write!(f, ",min={minimum}")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, ",allowed={allowed}")?;
        }
        Ok(())
    }
}
