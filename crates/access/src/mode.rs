//! The access mode: what a service does with requests that show neither token nor login.
//!
//! It is decided once, at start, from the setting, the address that the service listens on, and the credentials that
//! there are. `/livez`, `/readyz` and `/metrics` hold no plate and are served in every mode; that is left to the HTTP
//! face.

use crate::Principal;

/// The setting `DWELL_ACCESS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every request needs a token or a login.
    Required,
    /// Only the setup page is served, to clients that have its one-time code.
    Setup,
    /// Every client that reaches the service may use it.
    Open,
}

/// A word that names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an access mode; allowed are required, setup and open")]
pub struct UnknownMode;

impl Mode {
    /// The mode that a word names.
    ///
    /// # Errors
    /// That there is no such mode, and which ones there are.
    pub fn parse(word: &str) -> Result<Self, UnknownMode> {
        match word {
            "required" => Ok(Self::Required),
            "setup" => Ok(Self::Setup),
            "open" => Ok(Self::Open),
            _ => Err(UnknownMode),
        }
    }
}

/// Whether anybody could get in with a token or a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credentials {
    /// A token holds.
    pub has_token: bool,
    /// A user may sign in.
    pub has_user: bool,
}

/// What the decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startup {
    /// What the setting says; none when it is not set.
    pub mode: Option<Mode>,
    /// Whether every address that the service listens on is on loopback.
    pub is_loopback: bool,
    /// The credentials that there are.
    pub credentials: Credentials,
}

/// How requests are let in while the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Requests come from this machine and may do everything. A token that is sent is still checked.
    Local,
    /// Every request needs a token or a login, also one from this machine: a reverse proxy's requests come from there.
    Required,
    /// Only the setup page is served.
    Setup,
    /// Every request is let in, to do what [`Principal::anonymous`] may.
    Open,
}

/// Why a service does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartupRefused {
    /// Nobody could use it.
    #[error(
        "clients need a token or a login, and there is none: make a token with `dwell token create` or a user with \
         `dwell user add` while this service is stopped, or set DWELL_ACCESS=open to let in every client that reaches it"
    )]
    NoCredentials,
    /// Anyone who can read the log could create a second administrator.
    #[error("DWELL_ACCESS=setup is for a first start, and there are credentials already: set DWELL_ACCESS=required")]
    SetUpAlready,
}

impl Access {
    /// Decides how requests are let in.
    ///
    /// # Errors
    /// Why the service must not start, and what to do.
    pub fn decide(startup: Startup) -> Result<Self, StartupRefused> {
        let Startup { mode, is_loopback, credentials } = startup;
        let has_credentials = credentials.has_token || credentials.has_user;
        match mode {
            None | Some(Mode::Open) if is_loopback => Ok(Self::Local),
            None | Some(Mode::Required) if !has_credentials => Err(StartupRefused::NoCredentials),
            None | Some(Mode::Required) => Ok(Self::Required),
            Some(Mode::Setup) if has_credentials => Err(StartupRefused::SetUpAlready),
            Some(Mode::Setup) => Ok(Self::Setup),
            Some(Mode::Open) => Ok(Self::Open),
        }
    }

    /// The principal of a request that shows neither token nor login; none when it is refused.
    pub fn without_credentials(self) -> Option<Principal> {
        match self {
            Self::Local => Some(Principal::local()),
            Self::Open => Some(Principal::anonymous()),
            Self::Required | Self::Setup => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Credentials = Credentials { has_token: false, has_user: false };
    const A_TOKEN: Credentials = Credentials { has_token: true, has_user: false };
    const A_USER: Credentials = Credentials { has_token: false, has_user: true };

    fn decide(mode: Option<Mode>, is_loopback: bool, credentials: Credentials) -> Result<Access, StartupRefused> {
        Access::decide(Startup { mode, is_loopback, credentials })
    }

    #[test]
    fn on_loopback_everything_works_with_nothing_set_up() {
        for credentials in [NOBODY, A_TOKEN, A_USER] {
            assert_eq!(decide(None, true, credentials), Ok(Access::Local));
        }
        assert_eq!(Access::Local.without_credentials(), Some(Principal::local()));
    }

    #[test]
    fn beyond_loopback_access_is_required_by_default() {
        for credentials in [A_TOKEN, A_USER] {
            assert_eq!(decide(None, false, credentials), Ok(Access::Required));
        }
        assert_eq!(decide(Some(Mode::Open), false, NOBODY), Ok(Access::Open));
        assert_eq!(Access::Open.without_credentials(), Some(Principal::anonymous()));
    }

    #[test]
    fn where_nobody_could_get_in_the_service_does_not_start_and_says_how_to() {
        for (mode, is_loopback) in [(None, false), (Some(Mode::Required), false), (Some(Mode::Required), true)] {
            assert_eq!(decide(mode, is_loopback, NOBODY), Err(StartupRefused::NoCredentials));
        }
        let text = StartupRefused::NoCredentials.to_string();
        assert!(text.contains("`dwell token create`") && text.contains("`dwell user add`"), "{text}");
    }

    #[test]
    fn required_holds_for_requests_from_this_machine_too() {
        assert_eq!(decide(Some(Mode::Required), true, A_USER), Ok(Access::Required));
        assert_eq!(Access::Required.without_credentials(), None);
    }

    #[test]
    fn setup_is_possible_once() {
        assert_eq!(decide(Some(Mode::Setup), false, NOBODY), Ok(Access::Setup));
        assert_eq!(decide(Some(Mode::Setup), true, NOBODY), Ok(Access::Setup));
        assert_eq!(decide(Some(Mode::Setup), false, A_USER), Err(StartupRefused::SetUpAlready));
        assert_eq!(Access::Setup.without_credentials(), None);
    }

    #[test]
    fn a_mode_is_written_in_one_way() {
        let modes = ["required", "setup", "open"].map(|word| Mode::parse(word).unwrap());
        assert_eq!(modes, [Mode::Required, Mode::Setup, Mode::Open]);
        for wrong in ["", "Required", "on", "off", "local"] {
            assert_eq!(Mode::parse(wrong), Err(UnknownMode), "{wrong:?}");
        }
    }
}
