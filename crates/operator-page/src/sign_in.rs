//! The form by which a person signs in. It has no script and no navigation: nothing else can be seen before.
//!
//! Checking the password and the cookie are left to `web-api`.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::layout;
use super::text::Mark;

/// What the form shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignIn<'a> {
    /// Where the person goes after signing in.
    pub next: &'a str,
    /// Why the person is not signed in yet, as a sentence.
    pub problem: Option<&'a str>,
}

/// The page with the form.
pub fn sign_in(status: StatusCode, form: &SignIn<'_>) -> Response {
    let content = html! {
        section.sign-in aria-labelledby="sign-in" {
            h1 #sign-in { "Sign in" }
            @if let Some(problem) = form.problem {
                p.off role="alert" { (Mark::Warn) (problem) }
            }
            form method="post" action="/login" {
                input type="hidden" name="next" value=(form.next);
                label for="user" { "Name" }
                input #user name="user" required maxlength="64" autocomplete="username" autocapitalize="none" spellcheck="false"
                    autofocus;
                label for="password" { "Password" }
                input #password name="password" type="password" required maxlength="256" autocomplete="current-password";
                button { "Sign in" }
            }
            p.note { "The operator of this service adds users and sets passwords with " code { "dwell user" } "." }
        }
    };
    layout::bare(status, "Sign in", &content)
}
