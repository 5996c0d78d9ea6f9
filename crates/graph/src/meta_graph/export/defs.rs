//! The messages of items, without the scope in their names.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_proto::prost::Message;

use super::super::keys::DefKind;
use super::super::scope_names::strip_name_scope;
use crate::{CollectionItem, Graph};

/// The message of an item of a collection that holds messages of a kind; `None` of a saver that is
/// not in the scope.
///
/// Errors: that the item is of another kind.
pub(super) fn message(
    item: &CollectionItem,
    kind: DefKind,
    graph: &Graph,
    scope: &str,
) -> Result<Option<Vec<u8>>, String> {
    match (kind, item) {
        (DefKind::Variable, CollectionItem::Variable(variable)) => {
            let mut def = variable.to_proto(graph);
            strip_variable(&mut def, scope);
            Ok(Some(def.encode_to_vec()))
        }
        (DefKind::Saver, CollectionItem::Saver(def)) => {
            let mut def = (**def).clone();
            let is_within = saver_names(&mut def).iter().all(|name| name.starts_with(scope));
            saver_names(&mut def).into_iter().for_each(|name| strip(name, scope));
            Ok(is_within.then(|| def.encode_to_vec()))
        }
        (DefKind::QueueRunner, CollectionItem::QueueRunner(def)) => {
            let mut def = (**def).clone();
            let names = [&mut def.queue_name, &mut def.close_op_name, &mut def.cancel_op_name];
            let names = names.into_iter().chain(&mut def.enqueue_op_name);
            names.for_each(|name| strip(name, scope));
            Ok(Some(def.encode_to_vec()))
        }
        (DefKind::Cond, CollectionItem::Cond(def)) => {
            let mut def = (**def).clone();
            let names = [&mut def.context_name, &mut def.pred_name, &mut def.pivot_name];
            names.into_iter().for_each(|name| strip(name, scope));
            strip_values(&mut def.values_def, scope);
            Ok(Some(def.encode_to_vec()))
        }
        (DefKind::While, CollectionItem::While(def)) => {
            let mut def = (**def).clone();
            strip_while(&mut def, scope);
            Ok(Some(def.encode_to_vec()))
        }
        (kind, item) => Err(format!("{item} is no {kind:?}")),
    }
}

fn strip(name: &mut String, scope: &str) {
    if !scope.is_empty() {
        *name = strip_name_scope(name, scope).into_owned();
    }
}

fn saver_names(def: &mut pb::SaverDef) -> [&mut String; 3] {
    [&mut def.filename_tensor_name, &mut def.save_tensor_name, &mut def.restore_op_name]
}

fn strip_variable(def: &mut pb::VariableDef, scope: &str) {
    let names = [
        &mut def.variable_name,
        &mut def.initializer_name,
        &mut def.snapshot_name,
        &mut def.initial_value_name,
    ];
    let slice = def.save_slice_info_def.iter_mut().map(|slice| &mut slice.full_name);
    names.into_iter().chain(slice).for_each(|name| strip(name, scope));
}

/// The contexts within one keep their names, as in TensorFlow.
fn strip_while(def: &mut pb::WhileContextDef, scope: &str) {
    let names = [
        &mut def.context_name,
        &mut def.maximum_iterations_name,
        &mut def.pivot_name,
        &mut def.pivot_for_pred_name,
        &mut def.pivot_for_body_name,
    ];
    let lists = def.loop_exit_names.iter_mut().chain(&mut def.loop_enter_names);
    names.into_iter().chain(lists).for_each(|name| strip(name, scope));
    strip_values(&mut def.values_def, scope);
}

fn strip_values(values: &mut Option<pb::ValuesDef>, scope: &str) {
    let Some(values) = values else { return };
    values.values.iter_mut().for_each(|name| strip(name, scope));
    let external = std::mem::take(&mut values.external_values).into_iter();
    values.external_values = external
        .map(|(mut outside, mut inside)| {
            strip(&mut outside, scope);
            strip(&mut inside, scope);
            (outside, inside)
        })
        .collect::<BTreeMap<_, _>>();
}
