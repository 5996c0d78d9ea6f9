use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_graph::op_def::{ArgDef, ArgType};
use flowkeep_graph::{Attr, AttrList, Attrs, FuncRef, Function, Graph, Library, NodeSpec, Output};
use flowkeep_runtime::{RunKey, Value};
use flowkeep_tensor::DType;

use crate::Error;
use crate::function::ConcreteFunction;
use crate::objects::{ObjectKind, SavedObjects};
use crate::structured::bad;

/// The calls of all traces, by name.
#[derive(Debug)]
pub(super) struct Calls(BTreeMap<String, Arc<Call>>);

/// The call of a trace in the graph.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: Arc<ConcreteFunction>,
    /// What a run of it feeds and fetches: the arguments, then the captures.
    pub(super) key: RunKey,
    /// The types of the arguments.
    pub(super) arg_types: Vec<DType>,
    /// The objects that are captured, each once.
    pub(super) captures: Vec<usize>,
}

impl Calls {
    /// A graph with one call of every trace.
    ///
    /// `values` are those of objects that have one before anything is run.
    ///
    /// Errors: `DATA_LOSS` for traces whose functions are not there, or take other arguments than the
    /// object graph says; as [`Graph::add_node`].
    pub(super) fn new(
        objects: &SavedObjects,
        library: &Library,
        values: &[Option<Value>],
    ) -> Result<(Calls, Graph), Error> {
        let mut builder =
            Builder { objects, values, graph: Graph::new(), captures: BTreeMap::new() };
        for function in library.functions() {
            builder.graph.add_function(Function::clone(function))?;
        }
        let mut calls = BTreeMap::new();
        for (name, function) in objects.concrete_functions() {
            let def = library.get(name).ok_or_else(|| {
                bad(format!("object graph: function '{name}' is not in the graph's library"))
            })?;
            calls.insert(name.clone(), Arc::new(builder.call(function, def)?));
        }
        Ok((Calls(calls), builder.graph))
    }

    /// Calls that a graph has already.
    pub(super) fn of(calls: BTreeMap<String, Arc<Call>>) -> Calls {
        Calls(calls)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Call>> {
        self.0.get(name)
    }
}

struct Builder<'a> {
    objects: &'a SavedObjects,
    values: &'a [Option<Value>],
    graph: Graph,
    /// The placeholders of objects that are captured.
    captures: BTreeMap<usize, Output>,
}

impl Builder<'_> {
    fn call(&mut self, function: &Arc<ConcreteFunction>, def: &Function) -> Result<Call, Error> {
        let name = &function.name;
        let types = |args: &[ArgDef]| {
            let types = args.iter().map(|arg| match arg.ty {
                ArgType::Fixed(dtype) if arg.number_attr.is_none() => Ok(dtype),
                _ => {
                    Err(bad(format!("function '{name}' is called with types that it does not fix")))
                }
            });
            types.collect::<Result<Vec<DType>, Error>>()
        };
        let (arg_types, ret_types) = (types(def.args())?, types(def.rets())?);
        let (n_inputs, n_captures) = (function.n_inputs(), function.bound_inputs.len());
        if n_inputs.saturating_add(n_captures) != arg_types.len() {
            return Err(bad(format!(
                "object graph: function '{name}' has {n_inputs} inputs and {n_captures} captures, but takes {} \
                 arguments",
                arg_types.len()
            )));
        }
        if function.n_outputs() > ret_types.len() {
            return Err(bad(format!(
                "object graph: function '{name}' has {} outputs, but returns {}",
                function.n_outputs(),
                ret_types.len()
            )));
        }
        let call_name = format!("call/{name}");
        let mut inputs = Vec::with_capacity(arg_types.len());
        let mut key = RunKey::default();
        for (idx, dtype) in arg_types.iter().take(n_inputs).enumerate() {
            let arg = format!("{call_name}/arg_{idx}");
            inputs.push(self.placeholder(&arg, *dtype)?);
            key.feeds.push(arg);
        }
        let mut captures = Vec::new();
        for (id, dtype) in function.bound_inputs.iter().zip(arg_types.iter().skip(n_inputs)) {
            inputs.push(self.capture(*id, *dtype, name)?);
            if !captures.contains(id) {
                captures.push(*id);
                key.feeds.push(capture_name(*id));
            }
        }
        let n_outputs = ret_types.len();
        let list = |types: &[DType]| match types {
            [] => Attr::List(AttrList::Empty),
            types => Attr::List(AttrList::Type(types.into())),
        };
        let func = FuncRef { name: name.as_str().into(), attrs: Attrs::default() };
        let spec = NodeSpec::new(&*call_name, "StatefulPartitionedCall")
            .inputs(inputs)
            .attr("Tin", list(&arg_types))
            .attr("Tout", list(&ret_types))
            .attr("f", Attr::Func(Arc::new(func)));
        self.graph.add_node(spec)?;
        key.fetches = (0..n_outputs).map(|idx| format!("{call_name}:{idx}")).collect();
        key.targets = vec![call_name];
        let arg_types = arg_types.into_iter().take(n_inputs).collect();
        Ok(Call { function: function.clone(), key, arg_types, captures })
    }

    fn placeholder(&mut self, name: &str, dtype: DType) -> Result<Output, Error> {
        let spec = NodeSpec::new(name, "Placeholder").attr("dtype", Attr::Type(dtype));
        Ok(self.graph.add_node(spec)?.output(0))
    }

    /// The placeholder of an object that a function captures as an argument of this type.
    fn capture(&mut self, id: usize, dtype: DType, function: &str) -> Result<Output, Error> {
        if let Some(output) = self.captures.get(&id) {
            return Ok(*output);
        }
        let kind = self.objects.object(id).map(|object| &object.kind);
        let own = match (self.values.get(id), kind) {
            (Some(Some(value)), _) => value.dtype(),
            // Not loaded, or made by a function.
            (_, Some(ObjectKind::Variable(_) | ObjectKind::Resource { .. })) => DType::Resource,
            (_, Some(ObjectKind::Asset { .. })) => DType::String,
            (_, Some(ObjectKind::Constant { .. } | ObjectKind::CapturedTensor { .. })) => dtype,
            (_, kind) => {
                let kind = kind.map_or("nothing", ObjectKind::name);
                return Err(bad(format!(
                    "object graph: function '{function}' captures node {id}, which is a {kind}"
                )));
            }
        };
        let output = self.placeholder(&capture_name(id), own)?;
        self.captures.insert(id, output);
        Ok(output)
    }
}

fn capture_name(id: usize) -> String {
    format!("capture/{id}")
}
