//! How large a request is once its fragments are expanded, before anything expands them.
//!
//! Validation and execution visit a fragment wherever it is spread, so that eight fragments of thirty spreads each stand for
//! 30^8 of them, and they copy a variable wherever it is used. Here each fragment and each variable is measured once, and
//! its size is added wherever it is used. The complexity of an answer, which needs the schema, is left to the library.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::{ConstValue, Value};

/// The most fields, fragments, directives and values of a request, its fragments and variables expanded.
pub(super) const NODES: usize = 5_000;
/// The most aliases, fragments expanded: under other names a request could ask the same expensive thing hundreds of times.
pub(super) const ALIASES: usize = 30;
/// The most fields of the query type, fragments expanded. Each is a question to the ledger, repeated ones too.
pub(super) const QUESTIONS: usize = 50;
/// The deepest nesting of selections, fragments expanded.
pub(super) const LEVELS: usize = 64;
/// The most fields of an answer about the schema, were every list of it as long as [`list_of`] says.
pub(super) const SCHEMA_FIELDS: usize = 1_000_000;

/// Checks all operations and fragments of a request against the limits.
///
/// # Errors
/// What exceeds its limit.
pub(super) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), String> {
    let variables = of_variables(document, variables);
    let mut measured = Measured { document, variables, fragments: HashMap::new() };
    let (mut nodes, mut aliases, mut questions, mut schema_fields) = (0_usize, 0_usize, 0, 0);
    // In their order, so that the same request is always refused with the same words.
    let mut names: Vec<&Name> = document.fragments.keys().collect();
    names.sort_unstable();
    for name in names {
        nodes = nodes.saturating_add(measured.of_fragment(name, 0)?.nodes);
    }
    for (_, operation) in document.operations.iter() {
        let size = measured.of_selections(&operation.node.selection_set.node, 0)?;
        nodes = nodes.saturating_add(size.nodes).saturating_add(measured.of_operation(&operation.node));
        aliases = aliases.saturating_add(size.aliases);
        questions = size.questions.max(questions);
        schema_fields = size.schema_fields.max(schema_fields);
    }
    within(questions, QUESTIONS, "fields of Query")?;
    within(schema_fields, SCHEMA_FIELDS, "fields in its answer about the schema, were every list full")?;
    within(nodes, NODES, "fields, fragments, directives and values, its fragments and variables expanded")?;
    within(aliases, ALIASES, "aliases")
}

fn within(count: usize, most: usize, what: &str) -> Result<(), String> {
    if count > most { Err(format!("the request has {count} {what}; {most} is the most")) } else { Ok(()) }
}

/// The size of a part of a request, its fragments expanded. All numbers saturate.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    aliases: usize,
    /// Fields of the selection itself, without those within them.
    questions: usize,
    schema_fields: usize,
    levels: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.questions = self.questions.saturating_add(other.questions);
        self.schema_fields = self.schema_fields.saturating_add(other.schema_fields);
        self.levels = self.levels.max(other.levels);
    }
}

/// A document, and what of it has been measured.
struct Measured<'a> {
    document: &'a ExecutableDocument,
    variables: HashMap<Name, usize>,
    /// `None` while a fragment is being measured.
    fragments: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Measured<'a> {
    /// The size of a fragment that is spread `level` selections deep. An unknown one is left to validation.
    fn of_fragment(&mut self, name: &'a Name, level: usize) -> Result<Size, String> {
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
        let size = match self.fragments.insert(name, None) {
            Some(Some(size)) => size,
            Some(None) => return Err(format!("the fragment {name} is spread within itself")),
            None => {
                let mut size = self.of_selections(&fragment.node.selection_set.node, level)?;
                size.nodes = size.nodes.saturating_add(self.of_directives(&fragment.node.directives));
                size
            }
        };
        self.fragments.insert(name, Some(size));
        if level + size.levels > LEVELS { Err(too_deep()) } else { Ok(size) }
    }

    fn of_selections(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, String> {
        if level >= LEVELS {
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
        let list = list_of(&field.name.node);
        size.schema_fields = size.schema_fields.saturating_mul(list).saturating_add(1);
        size.nodes = size.nodes.saturating_add(self.of_arguments(&field.arguments));
        size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
        size.questions = 1;
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

    /// The scan has bounded how deep a value is nested.
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

/// The size of each variable: of its value, or of its default where that is larger.
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

/// How long a list of the schema may be, about; no other field has such a name.
fn list_of(field: &str) -> usize {
    match field {
        "types" => 64,
        "fields" | "directives" => 24,
        "args" | "inputFields" | "enumValues" | "possibleTypes" | "interfaces" => 8,
        _ => 1,
    }
}

fn too_deep() -> String {
    format!("the request has more than {LEVELS} selections within one another, its fragments expanded")
}

fn sum(counts: impl Iterator<Item = usize>) -> usize {
    counts.fold(0, usize::saturating_add)
}
