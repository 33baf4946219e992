//! Bounds the size of a request with its fragments expanded, before they are expanded.
//!
//! Validation and execution visit a fragment at each spread, so eight fragments with thirty spreads each mean 30^8
//! visits, and they copy a variable at each use. This module measures each fragment and variable once, and adds its
//! size at each use. The library computes the complexity, which needs the schema.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::{ConstValue, Value};

/// The most fields, fragments, directives and values of a request, with fragments and variables expanded.
pub(super) const NODES_MAX: usize = 5_000;
/// The most aliases, with fragments expanded: with more, a request could repeat an expensive field hundreds of times.
pub(super) const ALIASES_MAX: usize = 30;
/// The most fields of the type `Query`, with fragments expanded. Each reads the ledger, also a repeated one.
pub(super) const QUERY_FIELDS_MAX: usize = 50;
/// The deepest nesting of selections, with fragments expanded.
pub(super) const LEVELS_MAX: usize = 64;
/// The most fields of a response to introspection, if every list had the length of [`list_length`].
pub(super) const SCHEMA_FIELDS_MAX: usize = 1_000_000;

/// Checks all operations and fragments of a request against the limits.
///
/// # Errors
/// The exceeded limit.
pub(super) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), String> {
    let variables = of_variables(document, variables);
    let mut measured = Measured { document, variables, fragments: HashMap::new() };
    let (mut nodes, mut aliases, mut query_fields, mut schema_fields) = (0_usize, 0_usize, 0, 0);
    // Sorted, so that equal requests get equal error texts.
    let mut names: Vec<&Name> = document.fragments.keys().collect();
    names.sort_unstable();
    for name in names {
        nodes = nodes.saturating_add(measured.of_fragment(name, 0)?.nodes);
    }
    for (_, operation) in document.operations.iter() {
        let size = measured.of_selections(&operation.node.selection_set.node, 0)?;
        nodes = nodes.saturating_add(size.nodes).saturating_add(measured.of_operation(&operation.node));
        aliases = aliases.saturating_add(size.aliases);
        query_fields = size.query_fields.max(query_fields);
        schema_fields = size.schema_fields.max(schema_fields);
    }
    within(query_fields, QUERY_FIELDS_MAX, "fields of Query")?;
    within(schema_fields, SCHEMA_FIELDS_MAX, "introspection fields, assuming that every list is full")?;
    within(nodes, NODES_MAX, "fields, fragments, directives and values, with fragments and variables expanded")?;
    within(aliases, ALIASES_MAX, "aliases")
}

fn within(count: usize, most: usize, what: &str) -> Result<(), String> {
    if count > most { Err(format!("the request has {count} {what}; the maximum is {most}")) } else { Ok(()) }
}

/// The size of a part of a request, with fragments expanded. All numbers saturate.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    aliases: usize,
    /// Fields of the selection itself, without nested ones.
    query_fields: usize,
    schema_fields: usize,
    levels: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.query_fields = self.query_fields.saturating_add(other.query_fields);
        self.schema_fields = self.schema_fields.saturating_add(other.schema_fields);
        self.levels = self.levels.max(other.levels);
    }
}

/// A document, and the sizes that are already measured.
struct Measured<'a> {
    document: &'a ExecutableDocument,
    variables: HashMap<Name, usize>,
    /// `None` while a fragment is being measured.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measured<'a> {
    /// The size of a fragment that is spread `level` selections deep. Validation refuses an unknown one.
    fn of_fragment(&mut self, name: &'a Name, level: usize) -> Result<Size, String> {
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
        let size = match self.fragments.insert(name, None) {
            Some(Some(size)) => size,
            Some(None) => return Err(format!("the fragment {name} spreads itself")),
            None => {
                let mut size = self.of_selections(&fragment.node.selection_set.node, level)?;
                size.nodes = size.nodes.saturating_add(self.of_directives(&fragment.node.directives));
                size
            }
        };
        self.fragments.insert(name, Some(size));
        if level + size.levels > LEVELS_MAX { Err(too_deep()) } else { Ok(size) }
    }

    fn of_selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, String> {
        if level >= LEVELS_MAX {
            return Err(too_deep());
        }
        let mut sum = Size::default();
        for selection in &set.items {
            let mut size = match &selection.node {
                Selection::Field(field) => self.of_field(&field.node, level)?,
                Selection::InlineFragment(inline) => self.of_selections(&inline.node.selection_set.node, level + 1)?,
                Selection::FragmentSpread(spread) => self.of_fragment(&spread.node.fragment_name.node, level + 1)?,
            };
            size.nodes = size.nodes.saturating_add(1).saturating_add(self.of_directives(selection.node.directives()));
            sum.add(size);
        }
        sum.levels += 1;
        Ok(sum)
    }

    fn of_field(&mut self, field: &'a Field, level: usize) -> Result<Size, String> {
        let mut size = match field.selection_set.node.items.as_slice() {
            [] => Size::default(),
            _ => self.of_selections(&field.selection_set.node, level + 1)?,
        };
        let list = list_length(&field.name.node);
        size.schema_fields = size.schema_fields.saturating_mul(list).saturating_add(1);
        size.nodes = size.nodes.saturating_add(self.of_arguments(&field.arguments));
        size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
        size.query_fields = 1;
        Ok(size)
    }

    fn of_operation(&self, operation: &OperationDefinition) -> usize {
        let of_definition = |variable: &Positioned<VariableDefinition>| {
            let default = variable.node.default_value.as_ref().map_or(0, |value| of_constant(&value.node));
            self.of_directives(&variable.node.directives).saturating_add(1 + default)
        };
        let definitions = sum(operation.variable_definitions.iter().map(of_definition));
        self.of_directives(&operation.directives).saturating_add(definitions)
    }

    fn of_directives(&self, directives: &[Positioned<Directive>]) -> usize {
        let arguments = directives.iter().map(|directive| self.of_arguments(&directive.node.arguments));
        sum(arguments).saturating_add(directives.len())
    }

    fn of_arguments(&self, arguments: &[(Positioned<Name>, Positioned<Value>)]) -> usize {
        sum(arguments.iter().map(|(_, value)| self.of_value(&value.node)))
    }

    /// The size of a value. [`scan`](super::scan) has bounded its nesting.
    fn of_value(&self, value: &Value) -> usize {
        let inner = match value {
            Value::Variable(name) => self.variables.get(name).copied().unwrap_or(0),
            Value::List(items) => sum(items.iter().map(|item| self.of_value(item))),
            Value::Object(members) => sum(members.values().map(|member| self.of_value(member))),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => 0,
        };
        inner.saturating_add(1)
    }
}

/// The size of each variable: that of its value or of its default, whichever is larger.
fn of_variables(document: &ExecutableDocument, variables: &Variables) -> HashMap<Name, usize> {
    let mut sizes: HashMap<Name, usize> =
        variables.iter().map(|(name, value)| (name.clone(), of_constant(value))).collect();
    let definitions = document.operations.iter().flat_map(|(_, operation)| &operation.node.variable_definitions);
    for definition in definitions {
        if let Some(default) = &definition.node.default_value {
            let size = sizes.entry(definition.node.name.node.clone()).or_default();
            *size = (*size).max(of_constant(&default.node));
        }
    }
    sizes
}

fn of_constant(value: &ConstValue) -> usize {
    let inner = match value {
        ConstValue::List(items) => sum(items.iter().map(of_constant)),
        ConstValue::Object(members) => sum(members.values().map(of_constant)),
        ConstValue::Null
        | ConstValue::Number(_)
        | ConstValue::String(_)
        | ConstValue::Boolean(_)
        | ConstValue::Binary(_)
        | ConstValue::Enum(_) => 0,
    };
    inner.saturating_add(1)
}

/// The approximate length of an introspection list; no other field has such a name.
fn list_length(field: &str) -> usize {
    match field {
        "types" => 64,
        "fields" | "directives" => 24,
        "args" | "inputFields" | "enumValues" | "possibleTypes" | "interfaces" => 8,
        _ => 1,
    }
}

fn too_deep() -> String {
    format!("the request has more than {LEVELS_MAX} nested selections, with fragments expanded")
}

fn sum(counts: impl Iterator<Item = usize>) -> usize {
    counts.fold(0, usize::saturating_add)
}
