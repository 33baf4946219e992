//! JSON into a tree, within limits.

use std::cell::Cell;
use std::fmt;

use parking::Refusal;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, Tree};

/// The most members of one object.
const MAX_MEMBERS: usize = 1_000;

/// Reads one JSON document; nothing may follow it.
pub(crate) fn parse(json: &[u8]) -> Result<Tree, Refusal> {
    let nodes = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Value { nodes: &nodes, depth: 0 };
    let parsed = value.deserialize(&mut deserializer).and_then(|tree| deserializer.end().map(|()| tree));
    parsed.map_err(|error| Refusal::new("body", problem(&error)))
}

/// serde's own text may quote a value, which may be a plate; only our own texts, the kind and the place are shown.
fn problem(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let told = error.to_string();
    for limit in LIMITS {
        if told.starts_with(limit) {
            return format!("{limit} (line {line} column {column})");
        }
    }
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Data => "a syntax error",
        serde_json::error::Category::Io => "it can't be read",
    };
    format!("is not JSON: {kind} at line {line} column {column}")
}

const TOO_DEEP: &str = "is nested deeper than 32 levels";
const TOO_MANY: &str = "has more than 50,000 values";
const TOO_WIDE: &str = "has an object of more than 1,000 members";
const TWICE: &str = "has an object with a member twice";
const LIMITS: [&str; 4] = [TOO_DEEP, TOO_MANY, TOO_WIDE, TWICE];

#[derive(Clone, Copy)]
struct Value<'n> {
    nodes: &'n Cell<usize>,
    depth: usize,
}

impl Value<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH { Err(E::custom(TOO_DEEP)) } else { Ok(Self { depth, ..self }) }
    }

    fn count<E: Error>(self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES { Err(E::custom(TOO_MANY)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Text(if value { "true" } else { "false" }.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_string().into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(if value.len() <= MAX_TEXT_BYTES { Tree::Text(value.into()) } else { Tree::Omitted })
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.push(element);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let inner = self.inner()?;
        let mut members: Vec<(Box<str>, Tree)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom(TOO_WIDE));
            }
            if members.iter().any(|(known, _)| **known == *name) {
                return Err(A::Error::custom(TWICE));
            }
            members.push((name.into(), map.next_value_seed(inner)?));
        }
        Ok(Tree::Map(members))
    }
}
