//! A camera's message that can't be read leaves its reason in the log, whatever the camera is answered.

use std::fmt::{Debug, Write as _};
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// The fields of each event of the log, in one line.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_message_of_a_camera_that_can_not_be_read_is_logged_with_its_gate_and_reason() {
    let site = Site::new();
    let cut_off = r#"{"Picture": {"Plate": {"PlateNumber": "AB12XYZ""#;
    for (path, status, gate) in [
        ("/cameras/axis/in-1", 422, "gate=in-1"),
        ("/cameras/dahua-itsapi/its-1", 200, "gate=its-1"),
        ("/NotificationInfo/TollgateInfo", 200, "gate=unknown"),
    ] {
        let lines = Arc::new(Lines::default());
        let logging = tracing::subscriber::set_default(Arc::clone(&lines));
        let answer = post(&site.routes, path, "application/json", cut_off).await;
        drop(logging);

        assert_eq!(answer.status(), status, "{path}");
        let lines = lines.lines();
        let refused = lines.iter().find(|line| line.contains("camera message refused"));
        let line = refused.unwrap_or_else(|| panic!("{path} leaves no line: {lines:?}"));
        assert!(line.contains(gate) && line.contains("reason=body is not JSON: it ends too early"), "{line}");
        assert!(!line.contains("AB12XYZ"), "{line}");
    }
}
