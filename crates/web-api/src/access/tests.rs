//! Claims about the authenticator: which headers it accepts, in each access mode.

use access::{Gates, Grant, Lots, Scopes, Token, TokenRecord};
use axum::http::Request;

use super::*;

const SECRET: &str = "0123456789abcdef";
const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_000);
const PUBLIC: &str = "/api/v1/sessions";
const TERMS: &str = "/internal/v1/terms";

fn head(path: &str, authorization: &[&str]) -> Parts {
    let request = authorization
        .iter()
        .fold(Request::builder().uri(path), |request, value| request.header(header::AUTHORIZATION, *value));
    request.body(()).unwrap().into_parts().0
}

fn reader() -> (Token, Tokens) {
    let token = Token::from_random(&[7; Token::RANDOM_BYTES]);
    let grant = Grant::new(Scopes::parse("read,read_plate").unwrap(), Lots::All, Gates::All).unwrap();
    let record = TokenRecord::new(&token, "page".to_owned(), grant, NOW, None);
    (token, Tokens::new([record]).unwrap())
}

fn status(authenticator: &Authenticator, path: &str, authorization: &[&str]) -> u16 {
    authenticator.principal(&head(path, authorization), NOW).map_or_else(|problem| problem.status().as_u16(), |_| 200)
}

#[test]
fn the_token_that_was_revoked_last_is_refused_and_gives_no_rights() {
    let (token, tokens) = reader();
    let authorization = format!("Bearer {}", token.expose());
    for access in [Access::Local, Access::Open, Access::Required] {
        let authenticator = Authenticator::new(access, None, tokens.clone());
        let before = status(&authenticator, PUBLIC, &[&authorization]);

        authenticator.replace_tokens(Tokens::default());

        assert_eq!((before, status(&authenticator, PUBLIC, &[&authorization])), (200, 401), "{access:?}");
        assert_eq!(status(&authenticator, TERMS, &[&authorization]), 401, "{access:?}");
    }
}

#[test]
fn only_the_whole_secret_opens_the_routes_of_correlators() {
    let authenticator = Authenticator::new(Access::Local, Some(&Redacted::secret(SECRET)), Tokens::default());
    for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
        assert_eq!(status(&authenticator, TERMS, &[right]), 200, "{right:?}");
    }
    for wrong in
        ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeff", "Basic 0123456789abcdef"]
    {
        assert_eq!(status(&authenticator, TERMS, &[wrong]), 401, "{wrong:?}");
    }
    assert_eq!(status(&authenticator, TERMS, &[]), 401);
    assert_eq!(status(&authenticator, TERMS, &["Bearer 0123456789abcdef"; 2]), 401);
}

#[test]
fn without_tokens_loopback_is_open_and_an_open_port_is_closed_to_correlators() {
    assert_eq!(status(&Authenticator::local(), TERMS, &[]), 200);
    let open = Authenticator::new(Access::Open, None, Tokens::default());
    assert_eq!((status(&open, TERMS, &[]), status(&open, PUBLIC, &[])), (403, 200));
    // A reverse proxy may pass on a token of its own, which is not meant for this service.
    assert_eq!(status(&Authenticator::local(), PUBLIC, &["Bearer of-another-service"]), 200);
}

#[test]
fn where_access_is_required_only_a_known_token_opens() {
    let (token, tokens) = reader();
    let authenticator = Authenticator::new(Access::Required, Some(&Redacted::secret(SECRET)), tokens);
    let right = format!("Bearer {}", token.expose());
    let (principal, _) = authenticator.principal(&head(PUBLIC, &[&right]), NOW).unwrap();

    assert!(principal.may(Scope::Read) && !principal.may(Scope::Record));
    assert_eq!(status(&authenticator, PUBLIC, &[]), 401);
    assert_eq!(status(&authenticator, PUBLIC, &["Basic YTpi"]), 401);
    assert_eq!(status(&authenticator, PUBLIC, &["Bearer wrong"]), 401);

    authenticator.replace_tokens(Tokens::default());
    assert_eq!(status(&authenticator, PUBLIC, &[&right]), 401, "the token was revoked");
    assert_eq!(status(&authenticator, TERMS, &["Bearer 0123456789abcdef"]), 200, "the internal token stays");
}

#[test]
fn a_refusal_says_what_to_do_and_never_repeats_the_token() {
    let (token, tokens) = reader();
    let authenticator = Authenticator::new(Access::Required, None, tokens);
    let changed = token.expose().replace("dwell_", "dwell_x");
    for (shown, said) in [
        (changed.as_str(), "is not a whole token"),
        ("secret-of-another-kind", "is not a token of Dwell"),
        (Token::from_random(&[8; Token::RANDOM_BYTES]).expose(), "is not known here"),
    ] {
        let problem = authenticator.principal(&head(PUBLIC, &[&format!("Bearer {shown}")]), NOW).unwrap_err();
        assert!(problem.detail().contains(said) && problem.detail().contains("dwell token create"), "{problem:?}");
        assert!(!format!("{problem:?}").contains(shown), "{problem:?}");
    }
}

#[test]
fn on_loopback_a_wrong_token_is_reported_and_not_ignored() {
    let (_, tokens) = reader();
    let authenticator = Authenticator::new(Access::Local, None, tokens);
    assert_eq!((status(&authenticator, PUBLIC, &[]), status(&authenticator, PUBLIC, &["Bearer wrong"])), (200, 401));
}
