use flowkeep_proto::pb;

use super::read::find_tags;
use super::{FileError, GraphFile, GraphMessage};
use crate::rewrite::{Dropped, Rewritten, rewrite};
use crate::{Error, MetaGraph};

impl GraphFile {
    /// This file with another MetaGraph in the place of the one that `tags` mean, see
    /// [`GraphFile::into_meta_graph_def`]; of a GraphDef, no more than the graph is kept. Also gives what
    /// was dropped because it named nodes that are gone, see [`mod@crate::rewrite`].
    ///
    /// Errors: those of `edit`, of choosing the MetaGraph, and of [`MetaGraph::import`].
    pub fn rewrite<E: From<FileError>>(
        self,
        tags: Option<&[String]>,
        edit: impl FnOnce(MetaGraph) -> Result<Rewritten, E>,
    ) -> Result<(GraphFile, Dropped), E> {
        let mut dropped = Dropped::default();
        let path = self.path.clone();
        let file = self.rewrite_def(tags, |def| {
            match rewrite(def, |meta_graph| edit(meta_graph).map_err(Failed::Edit)) {
                Ok((def, of_def)) => {
                    dropped = of_def;
                    Ok(def)
                }
                Err(Failed::Edit(error)) => Err(error),
                Err(Failed::Graph(source)) => Err(FileError::Graph { path, source }.into()),
            }
        })?;
        Ok((file, dropped))
    }

    /// As [`GraphFile::rewrite`], for those who edit the message.
    ///
    /// Errors: those of `edit`, and of choosing the MetaGraph.
    pub fn rewrite_def<E: From<FileError>>(
        self,
        tags: Option<&[String]>,
        edit: impl FnOnce(pb::MetaGraphDef) -> Result<pb::MetaGraphDef, E>,
    ) -> Result<GraphFile, E> {
        let kind = self.message.kind();
        if tags.is_some() && !matches!(self.message, GraphMessage::SavedModel(_)) {
            return Err(FileError::NoTags { path: self.path, kind }.into());
        }
        let message = match self.message {
            GraphMessage::GraphDef(graph) => {
                let def = pb::MetaGraphDef { graph_def: Some(*graph), ..Default::default() };
                let graph = edit(def)?.graph_def.unwrap_or_default();
                GraphMessage::GraphDef(Box::new(graph))
            }
            GraphMessage::MetaGraphDef(def) => GraphMessage::MetaGraphDef(Box::new(edit(*def)?)),
            GraphMessage::SavedModel(mut model) => {
                let idx = find_tags(&self.path, &model, tags)?;
                if let Some(place) = model.meta_graphs.get_mut(idx) {
                    *place = edit(std::mem::take(place))?;
                }
                GraphMessage::SavedModel(model)
            }
        };
        Ok(GraphFile { message, ..self })
    }
}

enum Failed<E> {
    Edit(E),
    Graph(Error),
}

impl<E> From<Error> for Failed<E> {
    fn from(error: Error) -> Failed<E> {
        Failed::Graph(error)
    }
}
