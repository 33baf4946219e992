//! Passes the commit and the time of this build to the crate, as compile-time variables. An unknown value is empty.
//!
//! Cargo runs this script again when its input changes, and then compiles every package that depends on this crate. So
//! builds without optimization, which are those of the tests, don't ask git: a commit compiles nothing again there.

#[path = "src/look.rs"]
mod look;

use std::env;
use std::path::Path;
use std::time::SystemTime;

#[expect(clippy::disallowed_methods, reason = "a build script has no parking::Clock: it would compile the crate twice")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/look.rs");
    let [commit, epoch] = ["BUILD_COMMIT", "SOURCE_DATE_EPOCH"].map(|name| {
        println!("cargo::rerun-if-env-changed={name}");
        env::var(name).ok()
    });
    let is_optimized = env::var("OPT_LEVEL").is_ok_and(|level| level != "0");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = if is_optimized { look::repository(&root) } else { None };
    for path in repository.iter().flat_map(|repository| &repository.watched) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let clock = SystemTime::now();
    let (commit, seconds) = look::identity(commit.as_deref(), epoch.as_deref(), repository.as_ref(), clock);
    println!("cargo::rustc-env=BUILD_IDENTITY_COMMIT={}", commit.unwrap_or_default());
    println!(
        "cargo::rustc-env=BUILD_IDENTITY_SECONDS={}",
        seconds.map(|seconds| seconds.to_string()).unwrap_or_default()
    );
}
