//! The layout of `saved_model_cli show`.

use std::collections::BTreeMap;

use super::Page;
use crate::error::Error;
use crate::python::{set_repr, str_repr};
use crate::view::{Argument, Function, Functions, MetaGraph, Signature, TensorInfo, TraceOption};

impl Page<'_> {
    /// One line per tag set: the tags sorted, quoted as a Python string.
    pub(crate) fn tag_sets(&mut self, tag_sets: &[Vec<String>]) -> Result<(), Error> {
        self.line("The given SavedModel contains the following tag-sets:")?;
        for tags in tag_sets {
            let mut tags = tags.clone();
            tags.sort();
            self.line(str_repr(&tags.join(", ")))?;
        }
        Ok(())
    }

    pub(crate) fn signature_keys<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), Error> {
        self.line(
            "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:",
        )?;
        for key in keys {
            self.line(format!("SignatureDef key: \"{key}\""))?;
        }
        Ok(())
    }

    /// The ops as a Python set, in alphabetical order.
    pub(crate) fn ops(
        &mut self,
        tags: &[String],
        ops: impl Iterator<Item = impl AsRef<str>>,
    ) -> Result<(), Error> {
        let tags: Vec<String> = tags.iter().map(|tag| str_repr(tag)).collect();
        let set = set_repr(ops);
        self.line(format!(
            "The MetaGraph with tag set [{}] contains the following ops: {set}",
            tags.join(", ")
        ))
    }

    /// Inputs, outputs and method of a signature, each line after `indent`.
    pub(crate) fn signature(&mut self, signature: &Signature, indent: &str) -> Result<(), Error> {
        self.line(format!(
            "{indent}The given SavedModel SignatureDef contains the following input(s):"
        ))?;
        self.tensor_infos("inputs", &signature.inputs, indent)?;
        self.line(format!(
            "{indent}The given SavedModel SignatureDef contains the following output(s):"
        ))?;
        self.tensor_infos("outputs", &signature.outputs, indent)?;
        self.line(format!("{indent}Method name is: {}", signature.method_name))
    }

    fn tensor_infos(
        &mut self,
        role: &str,
        infos: &BTreeMap<String, TensorInfo>,
        indent: &str,
    ) -> Result<(), Error> {
        for (key, info) in infos {
            let shape = match &info.shape {
                None => "unknown_rank".into(),
                Some(dims) => {
                    format!("({})", dims.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
                }
            };
            self.line(format!("{indent}  {role}['{key}'] tensor_info:"))?;
            self.line(format!("{indent}      dtype: {}", info.dtype))?;
            self.line(format!("{indent}      shape: {shape}"))?;
            self.line(format!("{indent}      name: {}", info.name))?;
        }
        Ok(())
    }

    /// A MetaGraph's signatures and ops.
    pub(crate) fn meta_graph(&mut self, meta_graph: &MetaGraph) -> Result<(), Error> {
        let tags = meta_graph.tags.join(", ");
        self.line(format!(
            "\nMetaGraphDef with tag-set: '{tags}' contains the following SignatureDefs:"
        ))?;
        for (key, signature) in &meta_graph.signatures {
            self.line(format!("\nsignature_def['{key}']:"))?;
            self.signature(signature, "  ")?;
        }
        self.ops(&meta_graph.tags, meta_graph.ops.iter())
    }

    /// The functions of the root object.
    pub(crate) fn functions(&mut self, functions: &Functions) -> Result<(), Error> {
        self.text("\nConcrete Functions:")?;
        match functions {
            Functions::NotAvailable(reason) => {
                self.line(format!(" N/A (could not be listed due to {reason})"))
            }
            Functions::Listed(functions) => {
                functions.iter().try_for_each(|function| self.function(function))
            }
        }
    }

    fn function(&mut self, function: &Function) -> Result<(), Error> {
        self.line(format!("\n  Function Name: '{}'", function.name))?;
        for (idx, option) in function.options.iter().enumerate() {
            self.option(idx + 1, option)?;
        }
        Ok(())
    }

    fn option(&mut self, number: usize, option: &TraceOption) -> Result<(), Error> {
        if !option.arguments.is_empty() {
            self.line(format!("    Option #{number}"))?;
            self.line("      Callable with:")?;
        }
        for (idx, argument) in option.arguments.iter().enumerate() {
            self.line(format!("        Argument #{}", idx + 1))?;
            self.argument(argument)?;
        }
        for (idx, name) in option.keyword_arguments.iter().enumerate() {
            self.line(format!("        Named Argument #{}", idx + 1))?;
            self.line(format!("          {name}"))?;
        }
        Ok(())
    }

    fn argument(&mut self, argument: &Argument) -> Result<(), Error> {
        let (r#type, value) = match argument {
            Argument::Tensor { name, spec } => {
                return self
                    .line(format!("          {}: {spec}", name.as_deref().unwrap_or("None")));
            }
            Argument::Text { text } => return self.line(format!("          {text}")),
            Argument::Value { r#type, value } => (r#type, value.clone()),
            Argument::Items { r#type, items } => {
                let items: String = items.iter().map(|item| format!("{item}, ")).collect();
                (r#type, format!("[{items}\x08\x08]"))
            }
            Argument::Entries { r#type, entries } => {
                let entries: String =
                    entries.iter().map(|(key, value)| format!("'{key}': {value}, ")).collect();
                (r#type, format!("{{{entries}\x08\x08}}"))
            }
        };
        self.line(format!("          DType: {}", r#type))?;
        self.line(format!("          Value: {value}"))
    }
}
