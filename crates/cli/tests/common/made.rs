//! Models that tests make.

use std::path::Path;

/// Writes a SavedModel of a graph in text form, with the signature `serving_default` of input `x` and output `y`,
/// both scalars of type `dtype`.
pub(crate) fn model_of(dir: &Path, graph: &str, dtype: &str) {
    let info = |name: &str| {
        format!(
            "{{ key: '{name}' value {{ name: '{name}:0' dtype: {dtype} tensor_shape {{ }} }} }}"
        )
    };
    let model = format!(
        "saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: 'serve' }}
         graph_def {{ {graph} versions {{ producer: 2000 }} }}
         signature_def {{ key: 'serving_default' value {{ inputs {} outputs {}
           method_name: 'tensorflow/serving/predict' }} }} }}",
        info("x"),
        info("y")
    );
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("saved_model.pbtxt"), model).unwrap();
}
