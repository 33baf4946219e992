//! Tokens, users and login sessions are kept whole, and each change is atomic.

use std::sync::Arc;

use access::{
    AccountChange, Accounts, CookieSecret, Gates, Grant, LOGINS_OF_USER_MAX, LoginSession, Lots, Password,
    PasswordHash, Scopes, Token, TokenRecord, User, UserName,
};
use parking::{GateId, LotId, Timestamp};

use super::player::NOW;
use super::{Store, contract};
use crate::Ledger;

contract![
    accounts_are_read_as_they_were_added_also_after_a_restart,
    a_token_is_revoked_once_and_its_id_is_never_given_again,
    another_password_ends_the_login_sessions_of_its_user_alone,
    a_removed_user_leaves_no_login_session_to_a_later_one_of_that_name,
    a_login_session_begins_only_for_the_user_as_it_was_when_the_password_was_checked,
    a_login_session_is_noted_forward_only_and_ends_once,
    login_sessions_that_have_ended_and_the_oldest_of_a_user_make_room,
];

fn token(seed: u8) -> TokenRecord {
    let lots = Lots::only(["P3", "P4"].map(|lot| LotId::parse(lot).unwrap()));
    let gates = Gates::only([GateId::parse("P3-in-1").unwrap()]);
    let grant = Grant::new(Scopes::parse("ingest,read").unwrap(), lots, gates).unwrap();
    let secret = Token::from_random(&[seed; Token::RANDOM_BYTES]);
    TokenRecord::new(&secret, "Zufahrt Süd".to_owned(), grant, NOW, Some(NOW.plus_millis(1)))
}

fn password(seed: u8) -> PasswordHash {
    PasswordHash::new(&Password::typed("four words in a row").unwrap(), &[seed; PasswordHash::SALT_BYTES])
}

fn user(name: &str) -> User {
    let grant = Grant::new(Scopes::parse("read,read_plate").unwrap(), Lots::All, Gates::All).unwrap();
    let name = UserName::parse(name).unwrap();
    User { name, password: Some(password(1)), grant, created: NOW, generation: 0, disabled: None }
}

fn login(seed: u8, user: &User, at: Timestamp) -> LoginSession {
    LoginSession::begin(&CookieSecret::from_random(&[seed; CookieSecret::RANDOM_BYTES]), user, at)
}

async fn change(ledger: &Arc<dyn Ledger>, change: AccountChange) -> bool {
    ledger.change_accounts(change).await.unwrap()
}

async fn begin(ledger: &Arc<dyn Ledger>, login: &LoginSession) -> bool {
    change(ledger, AccountChange::BeginLogin { login: login.clone(), ended_before: Timestamp::from_millis(0) }).await
}

/// The login sessions, by their begin.
async fn logins(ledger: &Arc<dyn Ledger>) -> Vec<LoginSession> {
    let mut logins = ledger.accounts().await.unwrap().logins;
    logins.sort_by_key(|login| login.begun);
    logins
}

async fn accounts_are_read_as_they_were_added_also_after_a_restart(store: Store) {
    let ledger = store.open().await;
    let (token, maria) = (token(1), user("maria@example.org"));
    let disabled = User { password: None, generation: 7, disabled: Some(NOW), ..user("zoe") };
    let login = login(1, &maria, NOW);
    assert_eq!(ledger.accounts().await.unwrap(), Accounts::default());

    assert!(change(&ledger, AccountChange::AddToken(token.clone())).await);
    assert!(change(&ledger, AccountChange::AddUser(disabled.clone())).await);
    assert!(change(&ledger, AccountChange::AddUser(maria.clone())).await);
    assert!(begin(&ledger, &login).await);

    let expected = Accounts { tokens: vec![token], users: vec![maria, disabled], logins: vec![login] };
    assert_eq!(ledger.accounts().await.unwrap(), expected);
    ledger.close().await;
    drop(ledger);
    assert_eq!(store.open().await.accounts().await.unwrap(), expected);
}

async fn a_token_is_revoked_once_and_its_id_is_never_given_again(store: Store) {
    let ledger = store.open().await;
    let token = token(1);
    let revoke = |at| AccountChange::RevokeToken { id: token.id, at };
    assert!(!change(&ledger, revoke(NOW)).await, "it is unknown");
    assert!(change(&ledger, AccountChange::AddToken(token.clone())).await);
    assert!(change(&ledger, revoke(NOW)).await);

    assert!(!change(&ledger, revoke(NOW.plus_millis(5))).await);
    assert!(
        !change(&ledger, AccountChange::AddToken(TokenRecord { name: "another".to_owned(), ..token.clone() })).await
    );

    let revoked = TokenRecord { revoked: Some(NOW), ..token.clone() };
    assert_eq!(ledger.accounts().await.unwrap().tokens, [revoked]);
}

async fn another_password_ends_the_login_sessions_of_its_user_alone(store: Store) {
    let ledger = store.open().await;
    let (maria, omar) = (user("maria"), user("omar"));
    for (seed, user) in [(1, &maria), (2, &omar)] {
        assert!(change(&ledger, AccountChange::AddUser(user.clone())).await);
        assert!(begin(&ledger, &login(seed, user, NOW)).await);
    }

    let set = |name: &str| AccountChange::SetPassword { name: UserName::parse(name).unwrap(), password: password(2) };
    assert!(change(&ledger, set("maria")).await);
    assert!(!change(&ledger, set("nobody")).await);

    let changed = User { password: Some(password(2)), generation: 1, ..maria };
    let accounts = ledger.accounts().await.unwrap();
    assert_eq!(accounts.logins, [login(2, &omar, NOW)]);
    assert_eq!(accounts.users, [changed, omar]);
}

async fn a_removed_user_leaves_no_login_session_to_a_later_one_of_that_name(store: Store) {
    let ledger = store.open().await;
    let maria = user("maria");
    assert!(change(&ledger, AccountChange::AddUser(maria.clone())).await);
    assert!(!change(&ledger, AccountChange::AddUser(User { generation: 9, ..maria.clone() })).await, "it is taken");
    assert!(begin(&ledger, &login(1, &maria, NOW)).await);

    assert!(change(&ledger, AccountChange::RemoveUser(maria.name.clone())).await);
    assert!(!change(&ledger, AccountChange::RemoveUser(maria.name.clone())).await);
    assert!(change(&ledger, AccountChange::AddUser(maria.clone())).await);

    assert_eq!(ledger.accounts().await.unwrap(), Accounts { users: vec![maria], ..Accounts::default() });
}

async fn a_login_session_begins_only_for_the_user_as_it_was_when_the_password_was_checked(store: Store) {
    let ledger = store.open().await;
    let (maria, disabled) = (user("maria"), User { disabled: Some(NOW), ..user("zoe") });
    for user in [&maria, &disabled] {
        assert!(change(&ledger, AccountChange::AddUser(user.clone())).await);
    }

    for user in [&User { generation: 1, ..maria.clone() }, &disabled, &user("nobody")] {
        assert!(!begin(&ledger, &login(1, user, NOW)).await, "{}", user.name);
    }
    assert_eq!(logins(&ledger).await, []);
}

async fn a_login_session_is_noted_forward_only_and_ends_once(store: Store) {
    let ledger = store.open().await;
    let maria = user("maria");
    assert!(change(&ledger, AccountChange::AddUser(maria.clone())).await);
    let login = login(1, &maria, NOW);
    assert!(begin(&ledger, &login).await);
    let note = |millis| AccountChange::NoteUse(vec![(login.hash, NOW.plus_millis(millis))]);

    assert!(change(&ledger, note(60_000)).await);
    assert!(!change(&ledger, note(30_000)).await);
    assert!(!change(&ledger, AccountChange::NoteUse(Vec::new())).await);
    let noted = LoginSession { last_used: NOW.plus_millis(60_000), ..login.clone() };
    assert_eq!(logins(&ledger).await, [noted]);

    assert!(change(&ledger, AccountChange::EndLogin(login.hash)).await);
    assert!(!change(&ledger, AccountChange::EndLogin(login.hash)).await);
    assert!(!change(&ledger, note(90_000)).await);
    assert_eq!(logins(&ledger).await, []);
}

async fn login_sessions_that_have_ended_and_the_oldest_of_a_user_make_room(store: Store) {
    let ledger = store.open().await;
    let (maria, omar) = (user("maria"), user("omar"));
    for user in [&maria, &omar] {
        assert!(change(&ledger, AccountChange::AddUser(user.clone())).await);
    }
    let at = |millis: u32| NOW.plus_millis(i64::from(millis));
    let of_omar = login(200, &omar, at(0));
    assert!(begin(&ledger, &of_omar).await);
    let of_maria: Vec<LoginSession> =
        (0..=LOGINS_OF_USER_MAX).map(|number| login(u8::try_from(number).unwrap(), &maria, at(number + 1))).collect();
    for login in &of_maria {
        assert!(begin(&ledger, login).await);
    }
    let expected: Vec<_> = std::iter::once(&of_omar).chain(&of_maria[1..]).cloned().collect();
    assert_eq!(logins(&ledger).await, expected, "the oldest one of the user is gone");

    let last = login(100, &omar, at(1_000));
    let begin = AccountChange::BeginLogin { login: last.clone(), ended_before: at(1_000) };
    assert!(change(&ledger, begin).await);
    assert_eq!(logins(&ledger).await, [last]);
}
