//! XML into a tree, within limits. Names lose their namespace prefix: firmware versions differ in it.
//!
//! An element with neither attributes nor elements is a text; others are maps, with `@name` for attributes and `#text`
//! for text between elements. Repeated elements become a list. A document type is refused, and with it all entities but
//! the five that XML has itself.

use parking::Refusal;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, Tree, utf8};

/// The most different children of one element.
const MAX_CHILDREN: usize = 1_000;

/// Reads one XML document. The root element's name is the tree's only member.
pub(crate) fn parse(xml: &[u8]) -> Result<Tree, Refusal> {
    let mut reader = Reader::from_str(utf8(xml)?);
    let mut open = vec![Element::default()];
    let mut nodes = 0;
    loop {
        let event = reader.read_event().map_err(|_| refused(&reader, "is not well-formed XML"))?;
        match event {
            Event::Start(start) => {
                count(&mut nodes)?;
                if open.len() > MAX_DEPTH {
                    return Err(Refusal::new("body", format!("is nested deeper than {MAX_DEPTH} levels")));
                }
                open.push(Element::of(&start, &mut nodes)?);
            }
            Event::Empty(start) => {
                count(&mut nodes)?;
                let element = Element::of(&start, &mut nodes)?;
                innermost(&mut open)?.add(element)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| refused(&reader, "is not well-formed XML"))?;
                innermost(&mut open)?.add(element)?;
            }
            Event::Text(text) => innermost(&mut open)?.append(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => innermost(&mut open)?.append(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(reference) => {
                let text = resolved(&reference)?;
                innermost(&mut open)?.append(&text);
            }
            Event::DocType(_) => {
                return Err(Refusal::new("body", "has a document type (<!DOCTYPE>); XML is taken without one"));
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match open.pop() {
        Some(document) if open.is_empty() && !document.children.is_empty() => Ok(Tree::Map(document.children)),
        _ => Err(Refusal::new("body", "is not well-formed XML: it ends too early")),
    }
}

#[derive(Default)]
struct Element {
    name: Box<str>,
    children: Vec<(Box<str>, Tree)>,
    text: String,
    is_text_too_long: bool,
}

impl Element {
    fn of(start: &BytesStart<'_>, nodes: &mut usize) -> Result<Self, Refusal> {
        let mut element = Self { name: start.local_name().as_ref().into(), ..Self::default() };
        for attribute in start.attributes() {
            let malformed = || Refusal::new("body", "is not well-formed XML: an attribute");
            let attribute = attribute.map_err(|_| malformed())?;
            let is_namespace = attribute.key.as_namespace_binding().is_some();
            if is_namespace {
                continue;
            }
            count(nodes)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| malformed())?;
            let name = format!("@{}", attribute.key.local_name().as_ref());
            element.put(name.into(), kept(&value))?;
        }
        Ok(element)
    }

    fn append(&mut self, text: &str) {
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            self.is_text_too_long = true;
        } else {
            self.text.push_str(text);
        }
    }

    fn add(&mut self, element: Self) -> Result<(), Refusal> {
        let Self { name, mut children, text, is_text_too_long } = element;
        let text = if is_text_too_long { Tree::Omitted } else { Tree::Text(text.trim().into()) };
        let tree = if children.is_empty() {
            text
        } else {
            if text != Tree::Text("".into()) {
                children.push(("#text".into(), text));
            }
            Tree::Map(children)
        };
        self.put(name, tree)
    }

    /// A repeated name makes a list.
    fn put(&mut self, name: Box<str>, tree: Tree) -> Result<(), Refusal> {
        let is_full = self.children.len() == MAX_CHILDREN;
        match self.children.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Tree::List(list))) => list.push(tree),
            Some((_, first)) => *first = Tree::List(vec![std::mem::take(first), tree]),
            None if is_full => {
                return Err(Refusal::new("body", format!("has an element of more than {MAX_CHILDREN} members")));
            }
            None => self.children.push((name, tree)),
        }
        Ok(())
    }
}

fn kept(text: &str) -> Tree {
    if text.len() <= MAX_TEXT_BYTES { Tree::Text(text.into()) } else { Tree::Omitted }
}

fn count(nodes: &mut usize) -> Result<(), Refusal> {
    *nodes += 1;
    if *nodes > MAX_NODES { Err(Refusal::new("body", "has more than 50,000 values")) } else { Ok(()) }
}

fn innermost(open: &mut [Element]) -> Result<&mut Element, Refusal> {
    open.last_mut().ok_or_else(|| Refusal::new("body", "is not well-formed XML"))
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, Refusal> {
    let unknown =
        || Refusal::new("body", "refers to an entity; known are amp, lt, gt, apos, quot and character numbers");
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => resolve_xml_entity(reference).map(str::to_owned).ok_or_else(unknown),
        Err(_) => Err(unknown()),
    }
}

fn refused(reader: &Reader<&[u8]>, problem: &str) -> Refusal {
    Refusal::new("body", format!("{problem} at byte {}", reader.error_position()))
}
