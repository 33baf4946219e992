//! A parser of server-sent events.
//!
//! It supports what a summary API sends: lines that end with a line feed, with or without a carriage return.

/// The maximum bytes of one event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Its name; empty for a plain message.
    pub(super) name: String,
    /// Its data; several lines are joined by line feeds.
    pub(super) data: String,
    /// Its id.
    pub(super) id: Option<String>,
}

/// The state of the parser.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// An incomplete line.
    line: Vec<u8>,
    event: Event,
}

impl Events {
    /// Parses received bytes and returns the events that they complete.
    ///
    /// # Errors
    /// An event is too long, or not text.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, &'static str> {
        let mut complete = Vec::new();
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).map_err(|_| "its events are not UTF-8")?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                complete.push(std::mem::take(&mut self.event));
            } else {
                self.take(line);
            }
        }
        self.line.extend_from_slice(rest);
        if self.line.len() + self.event.data.len() > EVENT_BYTES_MAX {
            return Err("one of its events is longer than 1 MiB");
        }
        Ok(complete)
    }

    fn take(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, a retry time, or a field of a later version.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = "retry: 1000\nid: 4\n\n: still here\r\n\r\nid: 5\ndata: {\"a\":1}\n\nevent: lagged\ndata: too\ndata:slow\n\nid: 6\ndata: ä".as_bytes();

    fn expected() -> Vec<Event> {
        let event = |name: &str, data: &str, id: Option<&str>| Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.map(str::to_owned),
        };
        vec![
            event("", "", Some("4")),
            event("", "", None),
            event("", "{\"a\":1}", Some("5")),
            event("lagged", "too\nslow", None),
        ]
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        for size in 1..=TEXT.len() {
            let mut events = Events::default();
            let seen: Vec<Event> = TEXT.chunks(size).flat_map(|chunk| events.push(chunk).unwrap()).collect();
            assert_eq!(seen, expected(), "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let refused = (0..2_000).find_map(|_| events.push(&[b'x'; 1_000]).err());
        assert_eq!(refused, Some("one of its events is longer than 1 MiB"));
    }
}
