use flowkeep_proto::pb;
use flowkeep_proto::pb::collection_def::Kind;
use flowkeep_proto::pb::saved_object::Kind as ObjectKind;
use prost::Message;

use super::endpoints::node_of;
use crate::{Graph, MetaGraph};

/// What a MetaGraph no longer has, because it named nodes or functions that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The keys of signatures.
    pub signatures: Vec<String>,
    /// The names of collections, and how many of their items went.
    pub collections: Vec<(String, usize)>,
    /// Whether there was a saver.
    pub saver: bool,
    /// The names of asset files.
    pub assets: Vec<String>,
    /// Whether there were objects.
    pub objects: bool,
}

impl Dropped {
    /// Whether nothing was dropped.
    pub fn is_empty(&self) -> bool {
        *self == Dropped::default()
    }
}

/// Takes out of a MetaGraph whatever names nodes or functions that its graph does not have.
pub(super) fn drop_dangling(meta_graph: &mut MetaGraph) -> Dropped {
    let mut dropped = Dropped::default();
    let graph = meta_graph.graph.clone();
    let has = |name: &str| graph.node_by_name(node_of(name)).is_some();
    let items = Items { graph: &graph };

    meta_graph.signatures.retain(|key, signature| {
        let infos = signature.inputs.values().chain(signature.outputs.values());
        let stays = infos.flat_map(|info| info.tensor_names()).all(has);
        if !stays {
            dropped.signatures.push(key.clone());
        }
        stays
    });
    meta_graph.collections.retain(|key, collection| {
        let n_dropped = items.drop(key, collection);
        if n_dropped > 0 {
            dropped.collections.push((key.clone(), n_dropped));
        }
        n_dropped == 0 || !is_empty(collection)
    });
    if let Some(saver) = &meta_graph.saver_def
        && !has_saver(saver, &has)
    {
        meta_graph.saver_def = None;
        dropped.saver = true;
    }
    meta_graph.asset_files.retain(|asset| {
        let stays = has(&asset.tensor_name);
        if !stays {
            dropped.assets.push(asset.filename.clone());
        }
        stays
    });
    if let Some(objects) = &meta_graph.object_graph_def
        && !has_functions(objects, &graph)
    {
        meta_graph.object_graph_def = None;
        dropped.objects = true;
    }
    dropped
}

fn has_saver(saver: &pb::SaverDef, has: &impl Fn(&str) -> bool) -> bool {
    [&saver.filename_tensor_name, &saver.save_tensor_name, &saver.restore_op_name]
        .into_iter()
        .all(|name| name.is_empty() || has(name))
}

/// Which items of collections name what a graph has.
struct Items<'a> {
    graph: &'a Graph,
}

impl Items<'_> {
    /// Takes out the items that name nodes which are gone, and tells how many.
    fn drop(&self, key: &str, collection: &mut pb::CollectionDef) -> usize {
        match &mut collection.kind {
            Some(Kind::NodeList(list)) => drop_from(&mut list.value, |name| self.has(name)),
            Some(Kind::BytesList(list)) => match key {
                "variables"
                | "trainable_variables"
                | "moving_average_variables"
                | "local_variables"
                | "model_variables"
                | "global_step"
                | "metric_variables" => drop_from(&mut list.value, |bytes| {
                    pb::VariableDef::decode(&**bytes).is_ok_and(|def| self.has_variable(&def))
                }),
                "savers" => drop_from(&mut list.value, |bytes| {
                    let def = pb::SaverDef::decode(&**bytes);
                    def.is_ok_and(|def| has_saver(&def, &|name| self.has(name)))
                }),
                "queue_runners" => drop_from(&mut list.value, |bytes| {
                    pb::QueueRunnerDef::decode(&**bytes).is_ok_and(|def| self.has_queue(&def))
                }),
                "cond_context" => drop_from(&mut list.value, |bytes| {
                    pb::CondContextDef::decode(&**bytes).is_ok_and(|def| self.has_cond(&def))
                }),
                "while_context" => drop_from(&mut list.value, |bytes| {
                    pb::WhileContextDef::decode(&**bytes).is_ok_and(|def| self.has_while(&def))
                }),
                _ => 0,
            },
            // Of the messages that may be in it, only this one names tensors.
            Some(Kind::AnyList(list)) => drop_from(&mut list.value, |any| {
                if !any.type_url.ends_with("/tensorflow.AssetFileDef") {
                    return true;
                }
                let def = pb::AssetFileDef::decode(&*any.value).unwrap_or_default();
                match def.tensor_info.and_then(|info| info.encoding) {
                    Some(pb::tensor_info::Encoding::Name(name)) => self.has(&name),
                    _ => true,
                }
            }),
            _ => 0,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.graph.node_by_name(node_of(name)).is_some()
    }

    fn has_all<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> bool {
        names.into_iter().all(|name| name.is_empty() || self.has(name))
    }

    /// Whether a variable is there, and one still: frozen, it is a constant.
    fn has_variable(&self, def: &pb::VariableDef) -> bool {
        let node = self.graph.node_by_name(node_of(&def.variable_name));
        node.is_some_and(|id| self.graph.node(id).op() != "Const")
            && self.has_all([&def.initializer_name, &def.snapshot_name, &def.initial_value_name])
    }

    fn has_queue(&self, def: &pb::QueueRunnerDef) -> bool {
        self.has(&def.queue_name)
            && self.has_all(&def.enqueue_op_name)
            && self.has_all([&def.close_op_name, &def.cancel_op_name])
    }

    fn has_cond(&self, def: &pb::CondContextDef) -> bool {
        self.has_all([&def.pred_name, &def.pivot_name])
            && self.has_values(def.values_def.as_ref())
            && self.has_contexts(&def.nested_contexts)
    }

    fn has_while(&self, def: &pb::WhileContextDef) -> bool {
        let pivots = [&def.pivot_name, &def.pivot_for_pred_name, &def.pivot_for_body_name];
        self.has_all(pivots)
            && self.has_all([&def.maximum_iterations_name])
            && self.has_all(def.loop_exit_names.iter().chain(&def.loop_enter_names))
            && self.has_values(def.values_def.as_ref())
            && self.has_contexts(&def.nested_contexts)
    }

    /// The values of a context are its own tensors, those from outside by their names inside, and nodes.
    fn has_values(&self, def: Option<&pb::ValuesDef>) -> bool {
        def.is_none_or(|def| {
            self.has_all(&def.values)
                && self.has_all(def.external_values.keys())
                && self.has_all(def.external_values.values())
        })
    }

    fn has_contexts(&self, nested: &[pb::ControlFlowContextDef]) -> bool {
        use pb::control_flow_context_def::Ctxt;
        nested.iter().all(|context| match &context.ctxt {
            Some(Ctxt::CondCtxt(def)) => self.has_cond(def),
            Some(Ctxt::WhileCtxt(def)) => self.has_while(def),
            None => true,
        })
    }
}

fn drop_from<T>(items: &mut Vec<T>, stays: impl FnMut(&T) -> bool) -> usize {
    let n_before = items.len();
    items.retain(stays);
    n_before - items.len()
}

fn is_empty(collection: &pb::CollectionDef) -> bool {
    match &collection.kind {
        Some(Kind::NodeList(list)) => list.value.is_empty(),
        Some(Kind::BytesList(list)) => list.value.is_empty(),
        Some(Kind::AnyList(list)) => list.value.is_empty(),
        _ => false,
    }
}

/// Whether all functions are there that objects need.
fn has_functions(objects: &pb::SavedObjectGraph, graph: &Graph) -> bool {
    let has = |name: &String| graph.library().get(name).is_some();
    let is_complete = |object: &pb::SavedObject| match &object.kind {
        Some(ObjectKind::Function(function)) => function.concrete_functions.iter().all(has),
        Some(ObjectKind::BareConcreteFunction(function)) => has(&function.concrete_function_name),
        Some(ObjectKind::Constant(constant)) => {
            graph.node_by_name(node_of(&constant.operation)).is_some()
        }
        _ => true,
    };
    objects.concrete_functions.keys().all(has) && objects.nodes.iter().all(is_complete)
}
