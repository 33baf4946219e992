//! `CloudEvents` 1.0 in JSON: the event format (`application/cloudevents+json`) and the batch
//! (`application/cloudevents-batch+json`). The gate event is the `data`.
//!
//! A gate event without an id of its own gets one from the envelope: its `id` when that is a UUID, else a hash of
//! `source` and `id`, which together are the identity of a `CloudEvent`.

use base64::Engine as _;
use bytes::Bytes;
use parking::Refusal;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::{Builder, Uuid};
use xxhash_rust::xxh3::xxh3_128;

/// The envelope. Extension attributes are ignored.
#[derive(Deserialize)]
struct Envelope<'a> {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    datacontenttype: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
}

/// The gate event in an envelope, as JSON text.
///
/// # Errors
/// The attribute that is wrong, and why.
pub(crate) fn gate_event(json: &[u8]) -> Result<Bytes, Refusal> {
    let envelope: Envelope<'_> = serde_json::from_slice(json)
        .map_err(|error| Refusal::new("body", format!("is not a CloudEvent in JSON: see column {}", error.column())))?;
    if envelope.specversion.as_deref() != Some("1.0") {
        return Err(Refusal::new("specversion", "is not \"1.0\""));
    }
    let (id, source) = (required("id", envelope.id.as_deref())?, required("source", envelope.source.as_deref())?);
    required("type", envelope.kind.as_deref())?;
    let media_type = envelope.datacontenttype.as_deref().unwrap_or("application/json");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type != "application/json" && !media_type.ends_with("+json") {
        return Err(Refusal::new("datacontenttype", "is not application/json"));
    }
    let data = match (envelope.data, &envelope.data_base64) {
        (Some(data), None) => Bytes::copy_from_slice(data.get().as_bytes()),
        (None, Some(encoded)) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
            Bytes::from(decoded.map_err(|_| Refusal::new("data_base64", "is not base64"))?)
        }
        (Some(_), Some(_)) => return Err(Refusal::new("data_base64", "stands beside data: one of the two is allowed")),
        (None, None) => return Err(Refusal::new("data", "is missing")),
    };
    Ok(with_id(data, id, source))
}

fn required<'a>(name: &'static str, text: Option<&'a str>) -> Result<&'a str, Refusal> {
    text.filter(|text| !text.is_empty()).ok_or_else(|| Refusal::new(name, "is missing or empty"))
}

/// The gate event with an id: its own, or one of the envelope.
fn with_id(data: Bytes, id: &str, source: &str) -> Bytes {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let Ok(Identified { id: None }) = serde_json::from_slice(&data) else { return data };
    let Some(members) = data.trim_ascii().strip_prefix(b"{") else { return data };
    let hashed =
        || Builder::from_custom_bytes(xxh3_128(format!("{}:{source}{id}", source.len()).as_bytes()).to_be_bytes());
    let id = Uuid::try_parse(id).unwrap_or_else(|_| hashed().into_uuid());
    let comma = if members.trim_ascii_start().first() == Some(&b'}') { "" } else { "," };
    let mut text = format!("{{\"id\":\"{id}\"{comma}").into_bytes();
    text.extend_from_slice(members);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(envelope: &str) -> Result<String, String> {
        let event = gate_event(envelope.as_bytes()).map_err(|refusal| refusal.to_string())?;
        Ok(String::from_utf8(event.to_vec()).unwrap())
    }

    #[test]
    fn the_gate_event_is_the_data() {
        let envelope = |more: &str| format!(r#"{{"specversion":"1.0","id":"7","source":"/p3","type":"gate"{more}}}"#);
        assert_eq!(of(&envelope(r#","data":{"id":"x","a":1},"extra":true"#)), Ok(r#"{"id":"x","a":1}"#.into()));
        assert_eq!(of(&envelope(r#","data_base64":"eyJpZCI6ICJ4In0=""#)), Ok(r#"{"id": "x"}"#.into()));
        let with_id = of(&envelope(r#","data":{"a":1}"#)).unwrap();
        assert!(with_id.starts_with("{\"id\":\"") && with_id.ends_with("\",\"a\":1}"), "{with_id}");
        assert_eq!(Ok(with_id), of(&envelope(r#","data":{"a":1}"#)));
        let uuid = "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2";
        let named = envelope(r#","data":{}"#).replace("\"7\"", &format!("\"{uuid}\""));
        assert_eq!(of(&named), Ok(format!("{{\"id\":\"{uuid}\"}}")));
    }

    #[test]
    fn a_wrong_attribute_is_named() {
        let whole = r#"{"specversion":"1.0","id":"7","source":"/p3","type":"gate","data":{}}"#;
        for (from, to, member) in [
            ("\"1.0\"", "\"0.3\"", "specversion"),
            ("\"id\":\"7\",", "", "id"),
            ("\"/p3\"", "\"\"", "source"),
            (",\"data\":{}", "", "data"),
            (",\"data\":{}", ",\"data_base64\":\"?\"", "data_base64"),
            ("\"data\"", "\"datacontenttype\":\"text/xml\",\"data\"", "datacontenttype"),
            ("{\"spec", "[\"spec", "body"),
        ] {
            assert!(of(&whole.replace(from, to)).unwrap_err().starts_with(member), "{member}");
        }
    }
}
