//! The accounts of a ledger in memory: finds the principal of a token or of a login session, without waiting.

use std::collections::BTreeMap;

use parking::Timestamp;

use crate::{
    Accounts, Credentials, DuplicateToken, HASH_BYTES, Lifetimes, LoginHash, LoginSession, LoginState, Principal,
    Tokens, User, UserName,
};

/// All accounts of a ledger, for look-ups. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    tokens: Tokens,
    users: BTreeMap<UserName, (User, Option<Principal>)>,
    logins: BTreeMap<[u8; HASH_BYTES], LoginSession>,
}

impl Directory {
    /// Takes the accounts as they are stored.
    ///
    /// # Errors
    /// Two tokens have one id.
    pub fn new(accounts: Accounts) -> Result<Self, DuplicateToken> {
        let Accounts { tokens, users, logins } = accounts;
        let users = users.into_iter().map(|user| {
            let principal = user.principal();
            (user.name.clone(), (user, principal))
        });
        Ok(Self {
            tokens: Tokens::new(tokens)?,
            users: users.collect(),
            logins: logins.into_iter().map(|login| (*login.hash.as_bytes(), login)).collect(),
        })
    }

    /// The tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// A user, disabled or not.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.users.get(name).map(|(user, _)| user)
    }

    /// The users, by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values().map(|(user, _)| user)
    }

    /// A login session that holds now, and its principal.
    pub fn login(&self, hash: LoginHash, now: Timestamp) -> Option<(&LoginSession, &Principal)> {
        let login = self.logins.get(hash.as_bytes())?;
        let (user, principal) = self.users.get(&login.user)?;
        let state = login.state(user, Lifetimes::default(), now);
        principal.as_ref().filter(|_| state == LoginState::Live).map(|principal| (login, principal))
    }

    /// Whether anybody could get in.
    pub fn credentials(&self, now: Timestamp) -> Credentials {
        let may_sign_in = |(user, _): &(User, _)| user.disabled.is_none() && user.password.is_some();
        Credentials { has_token: self.tokens.any_holds(now), has_user: self.users.values().any(may_sign_in) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CookieSecret, Grant, Password, PasswordHash, Token, TokenRecord};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn user(name: &str) -> User {
        let name = UserName::parse(name).unwrap();
        let password = PasswordHash::new(&Password::typed("four words in a row").unwrap(), &[1; 16]);
        let grant = Grant::everything();
        User { name, password: Some(password), grant, created: NOW, generation: 0, disabled: None }
    }

    fn cookie() -> CookieSecret {
        CookieSecret::from_random(&[7; CookieSecret::RANDOM_BYTES])
    }

    #[test]
    fn a_login_session_leads_to_its_user_as_long_as_it_holds() {
        let maria = user("maria");
        let login = LoginSession::begin(&cookie(), &maria, NOW);
        let directory = |user: User| {
            Directory::new(Accounts { users: vec![user], logins: vec![login.clone()], ..Accounts::default() }).unwrap()
        };
        let found = |user: User, at| directory(user).login(cookie().hash(), at).map(|(_, one)| one.who().to_string());

        assert_eq!(found(maria.clone(), NOW).as_deref(), Some("user:maria"));
        assert_eq!(found(maria.clone(), NOW.plus_millis(3_600_000)), None, "it was idle for an hour");
        assert_eq!(found(User { generation: 1, ..maria.clone() }, NOW), None);
        assert_eq!(found(User { disabled: Some(NOW), ..maria.clone() }, NOW), None);
        assert_eq!(found(user("mario"), NOW), None);
        let other = CookieSecret::from_random(&[8; CookieSecret::RANDOM_BYTES]);
        assert!(directory(maria).login(other.hash(), NOW).is_none());
    }

    #[test]
    fn only_what_lets_somebody_in_counts_as_credentials() {
        let credentials = |accounts| Directory::new(accounts).unwrap().credentials(NOW);
        let users = |users| Accounts { users, ..Accounts::default() };
        let none = Credentials::default();
        assert_eq!(credentials(Accounts::default()), none);
        assert_eq!(credentials(users(vec![user("maria")])), Credentials { has_user: true, ..none });
        assert_eq!(credentials(users(vec![User { disabled: Some(NOW), ..user("maria") }])), none);
        assert_eq!(credentials(users(vec![User { password: None, ..user("maria") }])), none);
        let token = Token::from_random(&[3; Token::RANDOM_BYTES]);
        let record = TokenRecord::new(&token, "page".to_owned(), Grant::everything(), NOW, None);
        let tokens = |record| Accounts { tokens: vec![record], ..Accounts::default() };
        assert_eq!(credentials(tokens(record.clone())), Credentials { has_token: true, ..none });
        assert_eq!(credentials(tokens(TokenRecord { revoked: Some(NOW), ..record })), none);
    }
}
