//! Decompresses gzip: all members, and padding with zeros, as on tapes and block devices.
//!
//! A truncated member ends in `UnexpectedEof`; other bytes after a member are [`Garbage`].

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The first bytes of each member.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A member is followed by neither another one nor padding.
#[derive(Debug, thiserror::Error)]
#[error("there is garbage behind the end of the gzip data, at byte {at}")]
pub(super) struct Garbage {
    /// The offset in the file.
    pub(super) at: u64,
}

/// The content of all members.
pub(super) struct Gunzip<R> {
    /// The current member; `None` after the last one.
    member: Option<GzDecoder<Positioned<R>>>,
}

impl<R: BufRead> Gunzip<R> {
    /// Decompresses a file that begins with [`MAGIC`].
    pub(super) fn new(file: R) -> Self {
        Self { member: Some(GzDecoder::new(Positioned { file, at: 0 })) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            let Some(ended) = self.member.take() else { break };
            let mut file = ended.into_inner();
            if file.has_member()? {
                self.member = Some(GzDecoder::new(file));
            }
        }
        Ok(0)
    }
}

/// A file, and the number of consumed bytes.
struct Positioned<R> {
    file: R,
    at: u64,
}

impl<R: BufRead> Positioned<R> {
    /// Skips padding; returns whether another member follows.
    fn has_member(&mut self) -> io::Result<bool> {
        loop {
            let bytes = match self.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            match &bytes[zeros..] {
                [] if zeros == 0 => return Ok(false),
                [] => self.consume(zeros),
                // Leaves a single byte at the end of the buffer to the decoder.
                rest if MAGIC.starts_with(rest) || rest.starts_with(&MAGIC) => {
                    self.consume(zeros);
                    return Ok(true);
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, Garbage { at: self.at + zeros as u64 })),
            }
        }
    }
}

impl<R: BufRead> Read for Positioned<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Positioned<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.file.consume(bytes);
        self.at += bytes as u64;
    }
}
