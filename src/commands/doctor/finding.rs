//! What was found, as data: one thing that was looked at, how it stands, why, and what to do.
//!
//! How it is printed is `print`'s.

use serde::Serialize;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it must be.
    Ok,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Failed,
    /// A setting that no service would start with.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: a setting, or for instance `rabbitmq`.
    pub subject: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen: a value (redacted), or an address and what it is.
    pub seen: String,
    /// Why it does not stand well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Of a setting: what a value may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What to do about it, with a command where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// It is as it must be.
    pub fn ok(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict: Verdict::Ok, seen: seen.into(), cause: None, allowed: None, fix: None }
    }

    /// It works, but not as it should.
    #[must_use]
    pub fn warns(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Warning, cause, fix)
    }

    /// It does not work.
    #[must_use]
    pub fn fails(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Failed, cause, fix)
    }

    /// No service would start with it.
    #[must_use]
    pub fn is_wrong(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Wrong, cause, fix)
    }

    fn with(self, verdict: Verdict, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict, cause: Some(cause.into()), fix: Some(fix.into()), ..self }
    }
}

/// The exit code: 78 with a wrong setting, 1 when something failed, else 0.
pub fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.verdict).max() {
        Some(Verdict::Wrong) => 78,
        Some(Verdict::Failed) => 1,
        Some(Verdict::Warning | Verdict::Ok) | None => 0,
    }
}
