//! What is stored of people who sign in on the page.

use parking::Timestamp;

use crate::{Grant, PasswordHash, Principal, UserName, Who};

/// What is stored of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: UserName,
    /// The password; none, for one whom only a reverse proxy may name.
    pub password: Option<PasswordHash>,
    /// What the user may do.
    pub grant: Grant,
    /// When the user was added.
    pub created: Timestamp,
    /// Raised when the password or the grant changes. It ends every login session that was begun before.
    pub generation: u32,
    /// When the user was disabled, if so.
    pub disabled: Option<Timestamp>,
}

impl User {
    /// The principal of a user who signed in; none when the user is disabled.
    pub fn principal(&self) -> Option<Principal> {
        self.disabled.is_none().then(|| Principal::new(Who::User(self.name.clone()), self.grant.clone()))
    }

    /// The principal of a user whom a trusted reverse proxy named; none when the user is disabled.
    pub fn proxied_principal(&self) -> Option<Principal> {
        self.disabled.is_none().then(|| Principal::new(Who::Proxied(self.name.clone()), self.grant.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_user_is_nobody() {
        let name = UserName::parse("maria").unwrap();
        let created = Timestamp::from_millis(0);
        let mut user =
            User { name, password: None, grant: Grant::everything(), created, generation: 0, disabled: None };
        assert_eq!(user.principal().unwrap().who().to_string(), "user:maria");
        assert_eq!(user.proxied_principal().unwrap().who().to_string(), "proxied:maria");
        user.disabled = Some(created);
        assert_eq!((user.principal(), user.proxied_principal()), (None, None));
    }
}
