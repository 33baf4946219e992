//! The tokens file: read at the start, and again when it changes.
//!
//! A changed file that can't be used is reported, and the tokens of the earlier one stay valid.

use std::path::PathBuf;
use std::time::Duration;

use access::Tokens;
use service_kit::ServiceContext;
use settings::{Error, FileStamp, Settings, TOKENS_FILE};
use web_api::Authenticator;

/// The interval at which the file is compared with the one that was read.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A tokens file, and what was in it.
#[derive(Debug, Clone)]
pub(crate) struct TokensFile {
    path: PathBuf,
    stamp: Option<FileStamp>,
    /// The last reason why it could not be used, which is logged once.
    reported: Option<String>,
    pub(crate) tokens: Tokens,
}

impl TokensFile {
    /// Reads the file that the settings name; `None` if they name none.
    ///
    /// # Errors
    /// It can't be read, or a line is wrong.
    pub(crate) fn read(settings: &Settings) -> Result<Option<Self>, Error> {
        let Some(path) = settings.text(&TOKENS_FILE).map(PathBuf::from) else { return Ok(None) };
        let stamp = FileStamp::of(&path);
        let text = settings.file(&TOKENS_FILE)?.unwrap_or_default();
        let tokens = Tokens::parse_file(&text).map_err(|error| settings.wrong(&TOKENS_FILE, error.to_string()))?;
        Ok(Some(Self { path, stamp, reported: None, tokens }))
    }

    /// Watches the file until the stop, and gives `authenticator` its tokens after each change.
    pub(crate) fn watch(mut self, authenticator: Authenticator, context: &ServiceContext) {
        let lifecycle = context.lifecycle.clone();
        // Also if the file has no token: from here on, tokens are compared.
        authenticator.replace_tokens(self.tokens.clone());
        context.lifecycle.spawn("tokens file", async move {
            loop {
                tokio::select! {
                    () = lifecycle.stopping() => return Ok(()),
                    () = tokio::time::sleep(CHECK_INTERVAL) => {}
                }
                // The file may be on a network drive that is slow.
                self = tokio::task::spawn_blocking(move || self.read_again()).await?;
                authenticator.replace_tokens(self.tokens.clone());
            }
        });
    }

    /// The file as it is now, if it changed and can be used. One that can't is tried again each time.
    fn read_again(self) -> Self {
        let Self { path, stamp, reported, tokens } = self;
        let now = FileStamp::of(&path);
        if now == stamp {
            return Self { path, stamp, reported, tokens };
        }
        let read =
            settings::read_file(&path).and_then(|text| Tokens::parse_file(&text).map_err(|error| error.to_string()));
        match read {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.records().count(), file = %path.display(), "the tokens file was read again");
                Self { path, stamp: now, reported: None, tokens }
            }
            Err(reason) if reported.as_ref() == Some(&reason) => Self { path, stamp, reported, tokens },
            Err(reason) => {
                tracing::error!(
                    reason,
                    file = %path.display(),
                    "the tokens file has changed and can't be used, so the tokens before the change stay valid: correct it"
                );
                Self { path, stamp, reported: Some(reason), tokens }
            }
        }
    }
}
