//! Reads a new password: from a file, from standard input, or from the terminal without showing it. Never from an
//! argument, which every user of the machine can see.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use access::UserName;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use service_kit::Lifecycle;

/// The maximum bytes that are read.
const BYTES_MAX: u64 = 4_096;
const STANDARD_INPUT: &str = "-";

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no terminal to ask at.
    #[error("standard input is no terminal: name a file with --password-file, or - for standard input")]
    NoTerminal,
    /// The two texts differ.
    #[error("the two passwords differ")]
    Differ,
    /// The file, standard input or the terminal can't be read.
    #[error("{from} can't be read")]
    Unreadable {
        /// What.
        from: String,
        /// The system's error.
        source: io::Error,
    },
    /// The stop came first.
    #[error("stopped")]
    Stopped,
}

/// The first line of a file, or of standard input.
pub(super) async fn from_file(file: &str) -> Result<String, Error> {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        if path == STANDARD_INPUT {
            io::stdin().lock().take(BYTES_MAX).read_line(&mut text)?;
        } else {
            io::BufReader::new(std::fs::File::open(path)?).take(BYTES_MAX).read_line(&mut text)?;
        }
        Ok(text)
    });
    let text = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let text = text.map_err(|source| Error::Unreadable { from: file.to_owned(), source })?;
    Ok(without_line_end(&text))
}

/// Asks twice at the terminal.
pub(super) async fn typed_twice(name: &UserName, lifecycle: &Lifecycle) -> Result<String, Error> {
    let first = typed(&format!("New password of {name}: "), lifecycle).await?;
    let second = typed("The same password again: ", lifecycle).await?;
    if first == second { Ok(first) } else { Err(Error::Differ) }
}

async fn typed(question: &str, lifecycle: &Lifecycle) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable { from: "the terminal".to_owned(), source };
    if !io::stdin().is_terminal() {
        return Err(Error::NoTerminal);
    }
    say(question).map_err(unreadable)?;
    // Restores the terminal also when the stop comes first, while the thread still waits for a line.
    let quiet = Quiet::begin().map_err(unreadable)?;
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().take(BYTES_MAX).read_line(&mut text).map(|_| text)
    });
    let text = tokio::select! {
        text = read => text.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(unreadable)?,
        () = lifecycle.stopping() => return Err(Error::Stopped),
    };
    drop(quiet);
    say("\n").map_err(unreadable)?;
    Ok(without_line_end(&text))
}

fn say(text: &str) -> io::Result<()> {
    let mut error = io::stderr().lock();
    error.write_all(text.as_bytes()).and_then(|()| error.flush())
}

fn without_line_end(text: &str) -> String {
    text.trim_end_matches(['\n', '\r']).to_owned()
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Now, &self.0) {
            tracing::warn!(%error, "the terminal may show nothing of what is typed: stty echo restores it");
        }
    }
}
