//! A limit on aliases: under other names one request could ask the same expensive thing hundreds of times.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ServerResult, Variables};

use super::errors;

/// The most aliases of one request.
pub(super) const MOST: usize = 30;

/// Refuses a request with more than [`MOST`] aliases.
#[derive(Debug)]
pub(super) struct Aliases;

impl ExtensionFactory for Aliases {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Aliases {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        let count = of_document(&document);
        if count > MOST {
            let problem = format!("the request has {count} aliases; {MOST} is the most");
            return Err(errors::too_much(problem));
        }
        Ok(document)
    }
}

/// The parser bounds how deep selections may be nested.
fn of_document(document: &ExecutableDocument) -> usize {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).map(of_selections).sum()
}

fn of_selections(set: &SelectionSet) -> usize {
    let of_selection = |selection: &Selection| match selection {
        Selection::Field(field) => {
            usize::from(field.node.alias.is_some()) + of_selections(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => of_selections(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    };
    set.items.iter().map(|item| of_selection(&item.node)).sum()
}
