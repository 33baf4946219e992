//! JSON log lines: time, level, message, service, target, fields, and the enclosing spans.
//!
//! The message contains the fields as text, so that it is readable alone in `docker logs`; the fields are also
//! members, so that they can be queried. The parent module chooses this format.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// Writes an event as one JSON object.
#[derive(Debug)]
pub(super) struct JsonLines {
    pub(super) service: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut read = Fields::default();
        event.record(&mut read);
        let metadata = event.metadata();
        // Written by hand, because a map would sort the members, and people read the message first.
        write!(
            writer,
            r#"{{"time":{},"level":{},"message":{},"service":{},"target":{}"#,
            json!(time),
            json!(metadata.level().as_str()),
            json!(read.message + &read.text),
            json!(self.service),
            json!(metadata.target()),
        )?;
        if !read.values.is_empty() {
            write!(writer, r#","fields":{}"#, Value::Object(read.values))?;
        }
        let spans: Vec<Value> = context
            .event_scope()
            .map(|scope| scope.from_root().map(|span| around(&span)).collect())
            .unwrap_or_default();
        if !spans.is_empty() {
            write!(writer, r#","spans":{}"#, Value::Array(spans))?;
        }
        writer.write_str("}\n")
    }
}

fn around<S>(span: &SpanRef<'_, S>) -> Value
where
    S: for<'span> LookupSpan<'span>,
{
    let extensions = span.extensions();
    let written = extensions.get::<FormattedFields<JsonFields>>().map(|fields| fields.fields.as_str());
    let fields: Value = written.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
    json!({"name": span.name(), "fields": fields})
}

/// The fields of one event, as values and as text.
#[derive(Default)]
struct Fields {
    message: String,
    text: String,
    values: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, text: &str, value: Value) {
        if field.name() == "message" {
            text.clone_into(&mut self.message);
            return;
        }
        self.text.push(' ');
        self.text.push_str(field.name());
        self.text.push('=');
        self.text.push_str(text);
        self.values.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value.to_string(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value.to_string(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value.to_string(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value.to_string(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value, json!(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let text = crate::causes::on_one_line(value);
        self.add(field, &text, json!(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.add(field, &text, json!(text));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::page::Page;
    use super::*;

    #[test]
    fn message_reads_alone_and_its_fields_can_be_asked_for() {
        let page = Page::default();
        let writer = page.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { service: "correlator" })
            .with_writer(move || writer.clone());

        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _inside = tracing::info_span!("delivery", redelivered = true).entered();
            tracing::info!(lot = %"P3", dwell = "1h47m", events = 2, "session\n\"matched\"");
        });

        let written = page.text();
        assert_eq!(written.lines().count(), 1);
        let mut line: Value = serde_json::from_str(&written).unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let expected = json!({
            "level": "INFO",
            "service": "correlator",
            "target": "service_kit::logs::json::tests",
            "message": "session\n\"matched\" lot=P3 dwell=1h47m events=2",
            "fields": {"lot": "P3", "dwell": "1h47m", "events": 2},
            "spans": [{"name": "delivery", "fields": {"redelivered": true}}],
        });
        assert_eq!(line, expected);
    }
}
