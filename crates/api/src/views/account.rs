//! Tokens and users, as administrators manage them. A secret is in the one response that creates it, and in no other.

use std::fmt;

use access::{Gates, Grant, Lots, Scope, Scopes, TokenRecord, User};
use parking::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::parameters::Faults;
use crate::problem::{Fault, Problem};

/// The text of a secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// The tokens of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TokenList)]
pub struct TokenList {
    /// The tokens, ordered by id. Revoked ones stay in the list.
    pub tokens: Vec<TokenView>,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// The public part of the token.
    #[schema(example = "k3v9x2ma")]
    pub id: String,
    /// What the token is for.
    #[schema(example = "page")]
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<String>,
    /// The lots that it holds for; `*` is all.
    pub lots: Vec<String>,
    /// The gates whose events its holder may report; `*` is all.
    pub gates: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created: String,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    pub expires: Option<String>,
    /// When it was revoked, if it was.
    #[schema(format = DateTime)]
    pub revoked: Option<String>,
}

/// A token to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub struct TokenBody {
    /// What the token is for, 1 to 64 bytes.
    #[schema(example = "page")]
    pub name: String,
    /// What its holder may do: some of `ingest`, `record`, `read`, `read_plate`, `correct`, `admin`.
    pub scopes: Vec<String>,
    /// The lots that it holds for; the default, `*`, is all.
    #[serde(default = "all")]
    pub lots: Vec<String>,
    /// The gates whose events its holder may report; the default, `*`, is all.
    #[serde(default = "all")]
    pub gates: Vec<String>,
    /// When it ends: RFC 3339 with an offset. Without it, the token holds until it is revoked.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub expires: Option<String>,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The token itself. No other response contains it.
    #[schema(value_type = String, example = "dwell_k3v9x2ma_…")]
    pub secret: SecretText,
    /// What is stored of it.
    pub token: TokenView,
}

/// The users of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserList)]
pub struct UserList {
    /// The users, ordered by name.
    pub users: Vec<UserView>,
}

/// A person who may sign in on the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The name.
    #[schema(example = "maria")]
    pub name: String,
    /// What the user may do.
    pub scopes: Vec<String>,
    /// The lots that the user may see; `*` is all.
    pub lots: Vec<String>,
    /// When the user was added.
    #[schema(format = DateTime)]
    pub created: String,
    /// When the user was disabled, if so.
    #[schema(format = DateTime)]
    pub disabled: Option<String>,
}

/// A user to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub struct UserBody {
    /// The name: 1 to 64 of `a-z 0-9 . _ @ + -`. Upper case becomes lower case.
    #[schema(example = "maria")]
    pub name: String,
    /// The password, of at least 12 characters.
    #[schema(value_type = String)]
    pub password: SecretText,
    /// What the user may do: some of `ingest`, `record`, `read`, `read_plate`, `correct`, `admin`.
    pub scopes: Vec<String>,
    /// The lots that the user may see; the default, `*`, is all.
    #[serde(default = "all")]
    pub lots: Vec<String>,
}

/// A new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
pub struct PasswordBody {
    /// The password, of at least 12 characters.
    #[schema(value_type = String)]
    pub password: SecretText,
}

fn all() -> Vec<String> {
    vec![Lots::ALL_WORD.to_owned()]
}

/// The texts of a list such as `P1,P3`.
fn words(list: &impl ToString) -> Vec<String> {
    list.to_string().split(',').map(str::to_owned).collect()
}

fn text(time: Timestamp) -> String {
    time.to_string()
}

impl From<&TokenRecord> for TokenView {
    fn from(record: &TokenRecord) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            scopes: words(&record.grant.scopes()),
            lots: words(record.grant.lots()),
            gates: words(record.grant.gates()),
            created: text(record.created),
            expires: record.expires.map(text),
            revoked: record.revoked.map(text),
        }
    }
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.to_string(),
            scopes: words(&user.grant.scopes()),
            lots: words(user.grant.lots()),
            created: text(user.created),
            disabled: user.disabled.map(text),
        }
    }
}

impl TokenBody {
    /// The grant and the end of the token.
    ///
    /// # Errors
    /// Each invalid member.
    pub fn read(&self) -> Result<(Grant, Option<Timestamp>), Problem> {
        let mut faults = Faults::default();
        let expires = self.expires.as_deref().map(Timestamp::parse_rfc3339).transpose();
        let expires = faults.check(expires.map_err(|problem| Fault::member("expires", problem)));
        match (grant(&self.scopes, &self.lots, &self.gates, &mut faults), expires) {
            (Some(grant), Some(expires)) => Ok((grant, expires)),
            _ => Err(faults.into_problem()),
        }
    }
}

impl UserBody {
    /// The grant of the user.
    ///
    /// # Errors
    /// Each invalid member.
    pub fn grant(&self) -> Result<Grant, Problem> {
        let mut faults = Faults::default();
        grant(&self.scopes, &self.lots, &all(), &mut faults).ok_or_else(|| faults.into_problem())
    }
}

fn grant(scopes: &[String], lots: &[String], gates: &[String], faults: &mut Faults) -> Option<Grant> {
    let parsed = scopes.iter().map(|word| Scope::parse(word)).collect::<Result<Scopes, _>>();
    let scopes = faults.check(parsed.map_err(|problem| Fault::member("scopes", problem)));
    let lots = faults.check(Lots::parse(&lots.join(",")).map_err(|problem| Fault::member("lots", problem)));
    let gates = faults.check(Gates::parse(&gates.join(",")).map_err(|problem| Fault::member("gates", problem)));
    let granted = Grant::new(scopes?, lots?, gates?);
    faults.check(granted.map_err(|problem| Fault::member("scopes", problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: &str) -> TokenBody {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_token_holds_for_all_lots_and_gates_unless_some_are_named() {
        let (grant, expires) = body(r#"{"name":"page","scopes":["read","read_plate"]}"#).read().unwrap();
        assert_eq!((grant.lots(), grant.gates(), expires), (&Lots::All, &Gates::All, None));
        let some = body(r#"{"name":"till","scopes":["ingest"],"lots":["P1","P3"],"expires":"2027-01-01T00:00:00Z"}"#);
        let (grant, expires) = some.read().unwrap();
        assert_eq!(
            (grant.lots().to_string(), expires.map(text)),
            ("P1,P3".into(), Some("2027-01-01T00:00:00.000Z".into()))
        );
    }

    #[test]
    fn each_invalid_member_is_named() {
        for (json, named) in [
            (r#"{"name":"x","scopes":["write"]}"#, &["/scopes"][..]),
            (r#"{"name":"x","scopes":[]}"#, &["/scopes"]),
            (r#"{"name":"x","scopes":["read"],"lots":[]}"#, &["/scopes"]),
            (r#"{"name":"x","scopes":["read"],"lots":["a b"],"expires":"soon"}"#, &["/expires", "/lots"]),
            (r#"{"name":"x","scopes":["admin"],"lots":["P1"]}"#, &["/scopes"]),
        ] {
            let problem = body(json).read().unwrap_err();
            let pointers: Vec<_> = problem.faults().iter().filter_map(|fault| fault.pointer.as_deref()).collect();
            assert_eq!(pointers, named, "{json}");
        }
    }

    #[test]
    fn an_unknown_member_is_refused_and_a_secret_does_not_show_itself() {
        assert!(serde_json::from_str::<TokenBody>(r#"{"name":"x","scopes":["read"],"lot":["P1"]}"#).is_err());
        let user: UserBody = serde_json::from_str(r#"{"name":"x","password":"hidden","scopes":["read"]}"#).unwrap();
        assert!(!format!("{user:?}").contains("hidden"));
    }
}
