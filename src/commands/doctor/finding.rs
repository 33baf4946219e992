//! A finding as data: the subject, its state, the cause, and what to do.
//!
//! `print` formats it.

use serde::Serialize;

/// The state of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// It works, but needs attention.
    Warning,
    /// It does not work.
    Failed,
    /// A setting with which no service would start.
    Wrong,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The subject: a setting, or for instance `rabbitmq`.
    pub subject: String,
    /// Its state.
    pub verdict: Verdict,
    /// The observed value (redacted), or an address and what is there.
    pub seen: String,
    /// The cause of a problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The allowed values of a setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What to do, if possible with a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// A subject without a problem.
    pub fn ok(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict: Verdict::Ok, seen: seen.into(), cause: None, allowed: None, fix: None }
    }

    /// Turns it into a warning.
    #[must_use]
    pub fn warns(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Warning, cause, fix)
    }

    /// Turns it into a failure.
    #[must_use]
    pub fn fails(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Failed, cause, fix)
    }

    /// Turns it into a setting with which no service would start.
    #[must_use]
    pub fn is_wrong(self, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        self.with(Verdict::Wrong, cause, fix)
    }

    fn with(self, verdict: Verdict, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict, cause: Some(cause.into()), fix: Some(fix.into()), ..self }
    }
}

/// The exit code: 78 with an invalid setting, 1 with a failure, else 0.
pub fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.verdict).max() {
        Some(Verdict::Wrong) => 78,
        Some(Verdict::Failed) => 1,
        Some(Verdict::Warning | Verdict::Ok) | None => 0,
    }
}
