//! The identity of this build: the workspace's version, the commit, and the build time.
//!
//! Only programs depend on this crate, and pass [`BUILD`] to the frame of their `main`: where the commit changes, the
//! libraries are not compiled again. The form of an identity is left to `service_kit::Build`.

#[cfg(test)]
mod look;

use service_kit::Build;

/// The identity of this build.
pub const BUILD: Build =
    Build::new(env!("CARGO_PKG_VERSION"), env!("BUILD_IDENTITY_COMMIT"), env!("BUILD_IDENTITY_SECONDS"));
