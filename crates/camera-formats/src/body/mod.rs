//! Bodies of any kind as trees: JSON, XML, forms, multipart, and text of a vendor's own.
//!
//! Everything is bounded before memory is spent: bytes, depth, number of values, length of a text, number of parts.
//! Pictures are counted and dropped.

use parking::Refusal;
use parking::wire::without_byte_order_mark;

use crate::Delivery;

mod json;
mod multipart;
mod tree;
mod xml;

pub(crate) use json::parse as parse_json;
pub(crate) use tree::Tree;

/// The largest body that is taken, bytes: two or three pictures of a camera.
pub const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// How deep values may be nested, in JSON and XML.
pub const MAX_DEPTH: usize = 32;
/// The most values of a document: members, elements, attributes.
pub const MAX_NODES: usize = 50_000;
/// The longest text that is kept of a document, bytes. Longer ones are pictures.
pub const MAX_TEXT_BYTES: usize = 4_096;
/// The most parts of a multipart body.
pub const MAX_PARTS: usize = 64;

/// A body, read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Body {
    /// JSON and XML, in order.
    pub(crate) documents: Vec<Tree>,
    /// Text that is neither, in order.
    pub(crate) texts: Vec<String>,
    /// The fields of a form, of a multipart body and of the query string.
    pub(crate) fields: Tree,
    /// Pictures, dropped.
    pub(crate) images: usize,
}

impl Body {
    pub(crate) fn parse(delivery: &Delivery<'_>) -> Result<Self, Refusal> {
        let bytes = without_byte_order_mark(delivery.body);
        if bytes.len() > MAX_BODY_BYTES {
            return Err(Refusal::new("body", format!("has {} bytes; allowed are {MAX_BODY_BYTES}", bytes.len())));
        }
        let mut body = Self::default();
        let mut fields = Vec::new();
        let content_type = delivery.content_type.unwrap_or_default();
        if let Some(boundary) = multipart::boundary(content_type, bytes) {
            for part in multipart::split(bytes, &boundary)? {
                body.take_part(&part, &mut fields)?;
            }
        } else if is_form(content_type, bytes) {
            take_pairs(bytes, &mut fields)?;
        } else {
            body.take(bytes)?;
        }
        take_pairs(delivery.query.unwrap_or_default().as_bytes(), &mut fields)?;
        body.take_fields(fields)?;
        Ok(body)
    }

    /// The documents, or the fields when there is no document.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Tree> {
        let fields = self.documents.is_empty().then_some(&self.fields);
        self.documents.iter().chain(fields).filter(|tree| **tree != Tree::Nothing)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let bytes = without_byte_order_mark(bytes).trim_ascii();
        match bytes.first() {
            None => {}
            Some(b'{' | b'[') => self.take_document(json::parse(bytes)?),
            Some(b'<') => self.take_document(xml::parse(bytes)?),
            Some(_) if is_image(bytes) => self.images += 1,
            Some(_) => self.texts.push(utf8(bytes)?.to_owned()),
        }
        Ok(())
    }

    fn take_document(&mut self, document: Tree) {
        self.images += document.count_omitted();
        self.documents.push(document);
    }

    fn take_part(&mut self, part: &multipart::Part<'_>, fields: &mut Vec<(String, String)>) -> Result<(), Refusal> {
        let content = without_byte_order_mark(part.content).trim_ascii();
        let is_document = matches!(content.first(), Some(b'{' | b'[' | b'<'));
        if !is_document && (part.is_image() || is_image(content)) {
            self.images += 1;
        } else if !is_document && part.filename.is_none() && !part.name.is_empty() {
            if content.len() <= MAX_TEXT_BYTES {
                fields.push((part.name.clone(), utf8(content)?.to_owned()));
            } else {
                self.images += 1;
            }
        } else {
            self.take(content)?;
        }
        Ok(())
    }

    /// A field may hold a whole document (`json={…}`); the others are members of one.
    fn take_fields(&mut self, fields: Vec<(String, String)>) -> Result<(), Refusal> {
        let mut members = Vec::new();
        for (name, value) in fields {
            if matches!(value.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'<')) {
                self.take(value.as_bytes())?;
            } else if value.len() <= MAX_TEXT_BYTES {
                members.push((name.into(), Tree::Text(value.into())));
            } else {
                self.images += 1;
            }
        }
        if !members.is_empty() {
            self.fields = Tree::Map(members);
        }
        Ok(())
    }
}

fn take_pairs(bytes: &[u8], fields: &mut Vec<(String, String)>) -> Result<(), Refusal> {
    for (name, value) in form_urlencoded::parse(bytes) {
        if fields.len() == MAX_PARTS {
            return Err(Refusal::new("body", format!("has more than {MAX_PARTS} fields")));
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Ok(())
}

fn is_form(content_type: &str, bytes: &[u8]) -> bool {
    let is_named = content_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    // curl sends this type with every body by default.
    let is_document = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'));
    is_named && !is_document
}

/// JPEG, PNG, GIF, BMP, WebP.
fn is_image(bytes: &[u8]) -> bool {
    [&b"\xff\xd8\xff"[..], b"\x89PNG", b"GIF8", b"BM", b"RIFF"].iter().any(|magic| bytes.starts_with(magic))
}

pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes)
        .map_err(|error| Refusal::new("body", format!("is not UTF-8 from byte {} on", error.valid_up_to())))
}

#[cfg(test)]
mod tests;
