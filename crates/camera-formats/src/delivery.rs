//! One message of a camera as it arrived: what an adapter may look at.

use parking::Timestamp;

/// One request or MQTT message of a camera.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The body, with any content encoding undone.
    pub body: &'a [u8],
    /// The header `Content-Type`, if there was one. Bodies are recognised by their first bytes; it gives the boundary of
    /// a multipart body and tells a form from text.
    pub content_type: Option<&'a str>,
    /// The query string, without `?`. Some firmware sends its members there.
    pub query: Option<&'a str>,
    /// What followed the gate's name in the path, or the MQTT topic: some formats tell kinds of messages apart by it.
    pub path: &'a str,
    /// The name that the sender gives the camera outside the body, for instance in the header `Survision-Serial-Number`.
    pub camera: Option<&'a str>,
    /// When the message arrived.
    pub received: Timestamp,
}

impl<'a> Delivery<'a> {
    /// A message of which only the body is known.
    pub fn new(body: &'a [u8], received: Timestamp) -> Self {
        Self { body, content_type: None, query: None, path: "", camera: None, received }
    }
}
