//! Calls that variables are passed to, and the functions that they become.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value;
use flowkeep_tensor::{Code, DType, PartialShape, Shape};

use super::FreezeReport;
use super::convert::{Converter, Frozen, Selection};
use crate::transform::functions::called_functions;
use crate::transform::reach::prune;
use crate::{Attr, AttrList, Attrs, Error, FuncRef, Function, GraphEdit, Library, Node, NodeId};

/// Calls within calls, at most.
const MAX_DEPTH: usize = 64;

const INPUT_SHAPES: &str = "_input_shapes";
const OUTPUT_SHAPES: &str = "_output_shapes";

/// The functions that freezing makes.
pub(super) struct Functions<'v> {
    pub(super) selection: Selection<'v>,
    pub(super) report: FreezeReport,
    /// The old functions and the new ones.
    library: Arc<Library>,
    made: HashMap<Arc<str>, Vec<Made>>,
    n_made: usize,
    depth: usize,
}

/// A function, called in one way.
struct Made {
    attrs: Attrs,
    args: Vec<Option<ArgType>>,
    /// `None` while it is being made.
    frozen: Option<FrozenFunction>,
}

/// The type and the shape of a value that is passed instead of a handle.
type ArgType = (DType, Shape);

/// What a function became.
#[derive(Clone)]
struct FrozenFunction {
    function: FuncRef,
    rets: Vec<Option<Frozen>>,
}

impl<'v> Functions<'v> {
    pub(super) fn new(library: Arc<Library>, selection: Selection<'v>) -> Functions<'v> {
        Functions {
            selection,
            report: FreezeReport::default(),
            library,
            made: HashMap::new(),
            n_made: 0,
            depth: 0,
        }
    }

    /// The library, if it changed, without functions that new ones took the place of.
    pub(super) fn finish(
        self,
        edit: &GraphEdit,
    ) -> Result<(Option<Arc<Library>>, FreezeReport), Error> {
        if self.n_made == 0 {
            return Ok((None, self.report));
        }
        let called = called_functions(edit, &self.library);
        let mut library = Library::clone(&self.library);
        library.retain(|function| {
            !self.made.contains_key(function.name()) || called.contains(function.name())
        });
        Ok((Some(Arc::new(library)), self.report))
    }

    /// The function that `function` is when these arguments are values.
    fn freeze(
        &mut self,
        function: &FuncRef,
        args: &[Option<Frozen>],
    ) -> Result<FrozenFunction, Error> {
        let types: Vec<Option<ArgType>> =
            args.iter().map(|arg| arg.as_ref().map(|arg| (arg.dtype, arg.shape.clone()))).collect();
        let is_same = |made: &Made| made.attrs == function.attrs && made.args == types;
        if let Some(made) =
            self.made.get(&function.name).and_then(|all| all.iter().find(|made| is_same(made)))
        {
            return made.frozen.clone().ok_or_else(|| recursive(&function.name));
        }
        if self.depth >= MAX_DEPTH {
            return Err(recursive(&function.name));
        }
        let made = Made { attrs: function.attrs.clone(), args: types.clone(), frozen: None };
        self.made.entry(function.name.clone()).or_default().push(made);
        self.depth += 1;
        let frozen = self.make(function, args)?;
        self.depth -= 1;
        let made = self.made.get_mut(&function.name).into_iter().flatten();
        for made in made.filter(|made| made.attrs == function.attrs && made.args == types) {
            made.frozen = Some(frozen.clone());
        }
        Ok(frozen)
    }

    fn make(
        &mut self,
        reference: &FuncRef,
        args: &[Option<Frozen>],
    ) -> Result<FrozenFunction, Error> {
        let name = &reference.name;
        let old = self.library.get(name).cloned().ok_or_else(|| {
            Error::NoSuchElement(format!("Failed to find function \"{name}\" in function library"))
        })?;
        let body = old.instantiate(&reference.attrs, &self.library)?;
        if body.args.len() != args.len() {
            return Err(Error::Arguments(format!(
                "function {name} takes {} arguments and is passed {}",
                body.args.len(),
                args.len()
            )));
        }
        let mut edit = GraphEdit::new(body.graph.clone());
        let mut converter = Converter::new(&mut edit, self);
        for (id, arg) in body.args.iter().zip(args) {
            let Some(frozen) = arg else { continue };
            converter.edit.set_attr(*id, "T", Attr::Type(frozen.dtype));
            if converter.edit.node(*id).is_some_and(|node| node.attr(OUTPUT_SHAPES).is_some()) {
                let unknown = AttrList::Shape([PartialShape::unknown()].into());
                converter.edit.set_attr(*id, OUTPUT_SHAPES, Attr::List(unknown));
            }
            converter.frozen.insert(id.output(0), frozen.clone());
        }
        converter.convert_all()?;
        let rets = body.rets.iter().map(|ret| converter.frozen.get(ret).cloned()).collect();
        let stuck = converter.into_stuck();
        if !stuck.is_empty() {
            // What cannot be converted may be something that never runs.
            let rets = body.rets.iter().map(|ret| ret.node);
            let roots: Vec<NodeId> = rets
                .chain(body.args.iter().copied())
                .chain(body.control_rets.iter().copied())
                .collect();
            prune(&mut edit, &roots);
            if let Some(stuck) = stuck.into_iter().find(|stuck| edit.node(stuck.node).is_some()) {
                return Err(Error::Function {
                    function: name.to_string(),
                    message: format!("function {name}: {}", stuck.error),
                });
            }
        }
        edit.set_library(self.library.clone());
        let (graph, new_ids) = edit.finish_with_ids()?;
        let new_name = self.unused_name(name);
        let function = old.with_body(&new_name, &body.edited(graph, &new_ids)?)?;
        let function = Function::new(with_unknown_shapes(function.def().into_owned(), args));
        Arc::make_mut(&mut self.library).add(function)?;
        self.report.functions.entry(name.clone()).or_default().push(new_name.clone());
        // The body has the values of what the signature declared.
        let declared = |attr: &str| old.signature().attr(attr).is_some();
        let attrs = reference.attrs.iter().filter(|(attr, _)| !declared(attr));
        let attrs = attrs.map(|(name, attr)| (name, attr.clone())).collect();
        Ok(FrozenFunction { function: FuncRef { name: new_name, attrs }, rets })
    }

    /// A name like those that TensorFlow gives: `f_frozen_0` for `f` and `f_7`.
    fn unused_name(&mut self, name: &str) -> Arc<str> {
        let base = match name.rsplit_once('_') {
            Some((base, digits))
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                base
            }
            _ => name,
        };
        loop {
            let found = format!("{base}_frozen_{}", self.n_made);
            self.n_made += 1;
            if self.library.get(&found).is_none() {
                return found.into();
            }
        }
    }
}

fn recursive(function: &str) -> Error {
    Error::Outside {
        code: Code::Unimplemented,
        message: format!(
            "function {function} calls itself with a variable, or calls nest deeper than {MAX_DEPTH}"
        ),
    }
}

/// What is stored of a function's arguments, without what is not true of values.
fn with_unknown_shapes(mut def: pb::FunctionDef, args: &[Option<Frozen>]) -> pb::FunctionDef {
    let unknown = || pb::TensorShapeProto { unknown_rank: true, ..Default::default() };
    for (idx, _) in args.iter().enumerate().filter(|(_, arg)| arg.is_some()) {
        if let Some(Value::List(list)) =
            def.attr.get_mut(INPUT_SHAPES).and_then(|value| value.value.as_mut())
            && let Some(shape) = list.shape.get_mut(idx)
        {
            *shape = unknown();
        }
        if let Ok(idx) = u32::try_from(idx) {
            def.resource_arg_unique_id.remove(&idx);
        }
    }
    def
}

/// How an op calls functions.
struct CallForm {
    /// The inputs before the arguments.
    n_before: usize,
    /// The attribute that lists the types of the arguments.
    arg_types: &'static str,
    /// The attribute that lists the types of the results.
    ret_types: &'static str,
    /// The attributes that name the functions: one each, or a list of them.
    functions: &'static [&'static str],
    /// Whether results are passed on as arguments, as in loops.
    is_loop: bool,
}

impl CallForm {
    fn of(op: &str) -> Option<CallForm> {
        let (n_before, functions): (usize, &[&str]) = match op {
            "PartitionedCall" | "StatefulPartitionedCall" => (0, &["f"]),
            "If" | "StatelessIf" => (1, &["then_branch", "else_branch"]),
            "Case" | "StatelessCase" => (1, &["branches"]),
            "While" | "StatelessWhile" => {
                return Some(CallForm {
                    n_before: 0,
                    arg_types: "T",
                    ret_types: "T",
                    functions: &["cond", "body"],
                    is_loop: true,
                });
            }
            _ => return None,
        };
        let (arg_types, ret_types) = ("Tin", "Tout");
        Some(CallForm { n_before, arg_types, ret_types, functions, is_loop: false })
    }
}

impl Converter<'_, '_> {
    /// Converts a node that passes variables to functions; says whether it is one.
    pub(super) fn convert_call(
        &mut self,
        id: NodeId,
        inputs: &[Option<Frozen>],
    ) -> Result<bool, Error> {
        let Some(node) = self.edit.node(id) else { return Ok(true) };
        let Some(form) = CallForm::of(node.op()) else {
            let is_call = node.def().is_none() && self.functions.library.get(node.op()).is_some();
            if is_call {
                self.convert_call_by_name(id, inputs)?;
            }
            return Ok(is_call);
        };
        let Some(args) = inputs.get(form.n_before..) else { return Ok(false) };
        if inputs.iter().take(form.n_before).any(Option::is_some) {
            return Ok(false);
        }
        let attrs = node.attrs().clone();
        let mut rets: Option<Vec<Option<Frozen>>> = None;
        for attr in form.functions {
            let new = match attrs.get(attr) {
                Some(Attr::Func(function)) => {
                    let frozen = self.functions.freeze(function, args)?;
                    self.merge_rets(id, &mut rets, &form, attr, frozen.rets, args)?;
                    Attr::Func(Arc::new(frozen.function))
                }
                Some(Attr::List(AttrList::Func(functions))) => {
                    let mut list = Vec::with_capacity(functions.len());
                    for function in functions.iter() {
                        let frozen = self.functions.freeze(function, args)?;
                        self.merge_rets(id, &mut rets, &form, attr, frozen.rets, args)?;
                        list.push(frozen.function);
                    }
                    Attr::List(AttrList::Func(list.into()))
                }
                _ => return Ok(false),
            };
            self.edit.set_attr(id, attr, new);
        }
        let rets = rets.unwrap_or_default();
        self.set_types(id, &attrs, form.arg_types, args);
        self.set_types(id, &attrs, form.ret_types, &rets);
        self.set_shapes(id, &attrs, &rets);
        self.set_rets(id, rets);
        Ok(true)
    }

    fn convert_call_by_name(&mut self, id: NodeId, inputs: &[Option<Frozen>]) -> Result<(), Error> {
        let Some(node) = self.edit.node(id) else { return Ok(()) };
        let function = FuncRef { name: node.op().into(), attrs: node.attrs().clone() };
        let frozen = self.functions.freeze(&function, inputs)?;
        self.edit.set_op(id, frozen.function.name);
        self.edit.set_attrs(id, frozen.function.attrs);
        self.set_rets(id, frozen.rets);
        Ok(())
    }

    /// Notes which results are values now; all branches must agree, and a loop must hand on what it
    /// is given.
    fn merge_rets(
        &self,
        id: NodeId,
        merged: &mut Option<Vec<Option<Frozen>>>,
        form: &CallForm,
        attr: &str,
        rets: Vec<Option<Frozen>>,
        args: &[Option<Frozen>],
    ) -> Result<(), Error> {
        if attr == "cond" {
            return Ok(());
        }
        let types = |values: &[Option<Frozen>]| -> Vec<Option<DType>> {
            values.iter().map(|value| value.as_ref().map(|value| value.dtype)).collect()
        };
        let expected = match &merged {
            Some(merged) => Some(types(merged)),
            None => form.is_loop.then(|| types(args)),
        };
        if expected.is_some_and(|expected| expected != types(&rets)) {
            let name = self.edit.node(id).map_or("", Node::name);
            let what = match form.is_loop {
                true => "the loop does not hand on the variable that it is given",
                false => "its branches do not return the same variables",
            };
            return Err(Error::Arguments(format!("node '{name}' cannot be frozen: {what}")));
        }
        merged.get_or_insert(rets);
        Ok(())
    }

    fn set_types(&mut self, id: NodeId, attrs: &Attrs, attr: &str, values: &[Option<Frozen>]) {
        let Some(old) = attrs.get(attr).and_then(Attr::as_types) else { return };
        if values.iter().all(Option::is_none) {
            return;
        }
        let values = values.iter().chain(std::iter::repeat(&None));
        let types = old.iter().zip(values).map(|(dtype, value)| match value {
            Some(value) => value.dtype,
            None => *dtype,
        });
        let types = AttrList::Type(types.collect());
        self.edit.set_attr(id, attr, Attr::List(types));
    }

    /// Corrects what a node says of the shapes of its results.
    fn set_shapes(&mut self, id: NodeId, attrs: &Attrs, rets: &[Option<Frozen>]) {
        if rets.iter().all(Option::is_none) {
            return;
        }
        self.edit.remove_attr(id, OUTPUT_SHAPES);
        let Some(old) = attrs.get("output_shapes").and_then(Attr::as_shapes) else { return };
        if old.is_empty() {
            return;
        }
        let rets = rets.iter().chain(std::iter::repeat(&None));
        let shapes = old.into_iter().zip(rets).map(|(shape, ret)| match ret {
            Some(ret) => PartialShape::from(&ret.shape),
            None => shape,
        });
        let shapes = AttrList::Shape(shapes.collect());
        self.edit.set_attr(id, "output_shapes", Attr::List(shapes));
    }

    fn set_rets(&mut self, id: NodeId, rets: Vec<Option<Frozen>>) {
        for (index, ret) in (0u32..).zip(rets) {
            if let Some(frozen) = ret {
                self.frozen.insert(id.output(index), frozen);
            }
        }
    }
}
