//! A body as lines, one at a time, in the memory of one line and one chunk.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

use crate::streams::Pace;

/// The longest line that is taken.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;

/// The lines of a body.
#[derive(Debug)]
pub(crate) struct Lines {
    chunks: BodyDataStream,
    pace: Arc<Pace>,
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no line end.
    searched: usize,
    /// What is skipped up to the next line end belongs to a line that is too long.
    is_skipping: bool,
    has_ended: bool,
    number: u64,
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its text.
    Text(Bytes),
    /// It is too long, and was dropped.
    TooLong,
}

/// The body broke off before its end.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl Lines {
    pub(crate) fn new(body: Body, pace: Arc<Pace>) -> Self {
        Self {
            chunks: body.into_data_stream(),
            pace,
            buffer: BytesMut::new(),
            searched: 0,
            is_skipping: false,
            has_ended: false,
            number: 0,
        }
    }

    /// The number of the line that came last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank; `None` at the end. May be cancelled without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, BrokenOff> {
        loop {
            while let Some(line) = self.of_buffer() {
                let is_blank = matches!(&line, Line::Text(text) if text.is_empty());
                if !is_blank {
                    return Ok(Some(line));
                }
            }
            if self.has_ended {
                return Ok(None);
            }
            let waiting = self.pace.wait();
            let chunk = self.chunks.next().await;
            drop(waiting);
            match chunk {
                Some(Ok(chunk)) => {
                    self.pace.arrived(chunk.len());
                    self.buffer.extend_from_slice(&chunk);
                }
                Some(Err(_)) => return Err(BrokenOff),
                None => {
                    self.has_ended = true;
                    if !self.buffer.is_empty() || self.is_skipping {
                        self.buffer.extend_from_slice(b"\n");
                    }
                }
            }
        }
    }

    /// A whole line of what has arrived.
    fn of_buffer(&mut self) -> Option<Line> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                self.is_skipping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            return None;
        };
        let line = self.buffer.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        self.number += 1;
        if std::mem::take(&mut self.is_skipping) || line.len() > LINE_BYTES_MAX + 1 {
            return Some(Line::TooLong);
        }
        let text = parking::wire::without_byte_order_mark(&line).trim_ascii();
        Some(Line::Text(line.slice_ref(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    async fn lines(chunks: Vec<&'static [u8]>) -> Vec<(u64, Line)> {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk)));
        let mut lines = Lines::new(Body::from_stream(futures::stream::iter(chunks)), Arc::default());
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push((lines.number(), line));
        }
        all
    }

    fn text(text: &'static str) -> Line {
        Line::Text(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_arrive() {
        let expected = vec![(1, text("one")), (3, text("two")), (4, text("three"))];
        assert_eq!(lines(vec![b"\xef\xbb\xbfone\r\n\n two\nthree"]).await, expected);
        assert_eq!(lines(vec![b"o", b"ne", b"\n", b"\r\ntw", b"o\n", b"three\n"]).await, expected);
        assert_eq!(lines(vec![]).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_dropped_and_costs_no_memory() {
        static LONG: [u8; 20_000] = [b'x'; 20_000];
        let chunks = vec![&b"one\n"[..], &LONG, &LONG, &LONG, &LONG, &LONG, b"\ntwo\n", &LONG, &LONG, &LONG, &LONG];
        let expected = vec![(1, text("one")), (2, Line::TooLong), (3, text("two")), (4, Line::TooLong)];
        assert_eq!(lines(chunks).await, expected);
    }
}
