//! The identity of the running build, for everything that shows it: `--version`, the log, metrics, banner and page.
//!
//! A process has one build, so this is process-wide, like the log. The crate `build-identity` finds the values.

use std::fmt;
use std::sync::OnceLock;

use parking::Timestamp;

const UNKNOWN: &str = "unknown";

static CURRENT: OnceLock<Build> = OnceLock::new();

/// The version, the commit and the time of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    version: &'static str,
    commit: &'static str,
    seconds: &'static str,
}

impl Build {
    /// A build of this version; an empty text is an unknown value. `seconds` is the build time, seconds since 1970.
    pub const fn new(version: &'static str, commit: &'static str, seconds: &'static str) -> Self {
        Self { version, commit, seconds }
    }

    /// The build of this process; without a `main` that passed one, the version alone.
    pub fn current() -> Self {
        *CURRENT.get().unwrap_or(&Self::new(env!("CARGO_PKG_VERSION"), "", ""))
    }

    /// Makes this the build of the process. Only the first call counts.
    pub(crate) fn announce(self) {
        CURRENT.get_or_init(|| self);
    }

    /// The version, for instance `0.1.0`.
    pub fn version(self) -> &'static str {
        self.version
    }

    /// The first characters of the commit's hash, followed by `-modified` if files differed from it; or `unknown`.
    pub fn commit(self) -> &'static str {
        if self.commit.is_empty() { UNKNOWN } else { self.commit }
    }

    /// The build time in UTC, for instance `2024-09-24T09:00:00Z`, or `unknown`.
    pub fn time(self) -> String {
        let millis = self.seconds.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        let Some(millis) = millis else { return UNKNOWN.to_owned() };
        Timestamp::from_millis(millis).to_string().replace(".000Z", "Z")
    }
}

impl fmt::Display for Build {
    /// `0.1.0 (commit 0123456789ab, built 2024-09-24T09:00:00Z)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (commit {}, built {})", self.version, self.commit(), self.time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_named_as_such() {
        let known = Build::new("0.1.0", "0123456789ab", "1727168400");
        assert_eq!(known.to_string(), "0.1.0 (commit 0123456789ab, built 2024-09-24T09:00:00Z)");
        let unknown = Build::new("0.1.0", "", "");
        assert_eq!(unknown.to_string(), "0.1.0 (commit unknown, built unknown)");
    }
}
