//! Claims about the entrance: who gets in in each mode, and how wrong tokens are slowed down.

use std::net::Ipv4Addr;

use access::{Gates, Grant, Lots, Scopes, Token, TokenRecord, Tokens};
use parking::{ManualClock, Timestamp};

use super::known::TokenList;
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_000);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn token(random: u8) -> Token {
    Token::from_random(&[random; Token::RANDOM_BYTES])
}

fn shown(token: &Token) -> Shown {
    Shown::Token(Secret::new(token.expose()))
}

fn record(token: &Token, scopes: &str) -> TokenRecord {
    let grant = Grant::new(Scopes::parse(scopes).unwrap(), Lots::All, Gates::All).unwrap();
    TokenRecord::new(token, "gate".to_owned(), grant, NOW, None)
}

/// An entrance that knows the tokens 1, of a gate, and 2, of a reader.
fn entrance(access: Access) -> (Entrance, Arc<TokenList>) {
    let list = Arc::new(TokenList::default());
    list.replace(Tokens::new([record(&token(1), "ingest"), record(&token(2), "read")]).unwrap());
    let known: Arc<dyn KnownTokens> = Arc::clone(&list) as _;
    (Entrance::new(access, Some(known), Arc::new(ManualClock::at(NOW))), list)
}

fn outcome(entrance: &Entrance, shown: Shown) -> Result<String, TurnedAway> {
    entrance.admit(shown, HERE).map(|pass| pass.principal().who().to_string())
}

#[test]
fn each_mode_lets_in_who_it_says() {
    let of_gate = format!("token:{}", token(1).id());
    let unknown = Err(TurnedAway::Refused(Refused::Unknown));
    for (access, without) in [
        (Access::Required, Err(TurnedAway::Missing)),
        (Access::Open, Ok("anonymous".to_owned())),
        (Access::Local, Ok("local".to_owned())),
    ] {
        let (entrance, _) = entrance(access);
        assert_eq!(outcome(&entrance, Shown::Nothing), without, "{access:?}");
        assert_eq!(outcome(&entrance, shown(&token(1))), Ok(of_gate.clone()), "{access:?}");
        assert_eq!(outcome(&entrance, shown(&token(2))), Err(TurnedAway::Scope), "{access:?}");
        assert_eq!(outcome(&entrance, shown(&token(3))), unknown, "{access:?}");
        assert_eq!(outcome(&entrance, Shown::Several), Err(TurnedAway::Several), "{access:?}");
    }
    let (entrance, _) = entrance(Access::Setup);
    for shown in [Shown::Nothing, shown(&token(1)), Shown::Several] {
        assert_eq!(outcome(&entrance, shown), Err(TurnedAway::SetUp));
    }
}

#[test]
fn without_a_list_nobody_gets_in_where_tokens_are_required() {
    let known: Arc<dyn KnownTokens> = Arc::new(TokenList::default());
    let entrance = Entrance::new(Access::Required, Some(known), Arc::new(ManualClock::at(NOW)));
    assert!(!entrance.is_ready());
    assert_eq!(outcome(&entrance, shown(&token(1))), Err(TurnedAway::NotReady));
    assert_eq!(outcome(&entrance, Shown::Nothing), Err(TurnedAway::Missing));
}

#[test]
fn without_any_list_a_token_on_loopback_is_not_compared() {
    let entrance = Entrance::local(Arc::new(ManualClock::at(NOW)));
    assert_eq!(outcome(&entrance, shown(&token(3))), Ok("local".to_owned()));
    assert!(entrance.is_ready());
}

#[test]
fn wrong_tokens_are_slowed_down_and_known_ones_and_other_addresses_are_not() {
    let (entrance, _) = entrance(Access::Required);
    let free = usize::try_from(Backoff::ADDRESS.free).unwrap();
    let refused =
        (0..=free).filter(|_| outcome(&entrance, shown(&token(3))) != Err(TurnedAway::Refused(Refused::Unknown)));
    assert_eq!(refused.count(), 0);
    assert_eq!(outcome(&entrance, shown(&token(4))), Err(TurnedAway::Slowed(Wait { seconds: 1 })));
    assert!(outcome(&entrance, shown(&token(1))).is_ok());
    assert_eq!(entrance.admit(shown(&token(3)), ELSEWHERE).unwrap_err(), TurnedAway::Refused(Refused::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_within_a_second_of_its_token_s_revocation() {
    let (entrance, list) = entrance(Access::Required);
    let mut checks = entrance.admit(shown(&token(1)), HERE).unwrap().checks();
    let held = tokio::time::timeout(Duration::from_hours(1), checks.ended()).await;
    assert!(held.is_err());

    let revoked = TokenRecord { revoked: Some(NOW), ..record(&token(1), "ingest") };
    list.replace(Tokens::new([revoked]).unwrap());
    let revoked_at = Instant::now();
    checks.ended().await;

    assert!(revoked_at.elapsed() <= Duration::from_secs(1));
}

#[test]
fn no_reason_and_no_debug_text_has_the_token() {
    let (entrance, _) = entrance(Access::Required);
    let secret = token(3);
    let turned_away = entrance.admit(shown(&secret), HERE).unwrap_err();
    let pass = entrance.admit(shown(&token(1)), HERE).unwrap();
    for text in [turned_away.to_string(), format!("{turned_away:?} {:?}", shown(&secret)), format!("{pass:?}")] {
        assert!(!text.contains(secret.expose()) && !text.contains(token(1).expose()), "{text}");
    }
}
