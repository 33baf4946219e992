//! What an error and the errors that caused it say.
//!
//! Which of them decides the exit code is left to [`exit_code`](crate::exit_code).

use std::error::Error;

/// The texts of an error and of its causes, outermost first. Some libraries repeat their cause in their own text: a
/// cause that ends the text before it is left out.
pub fn texts(error: &dyn Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut before = String::new();
    for text in chain(error).map(ToString::to_string) {
        if texts.is_empty() || !before.ends_with(&text) {
            texts.push(text.clone());
        }
        before = text;
    }
    texts
}

/// The error and its causes on one line.
pub fn on_one_line(error: &dyn Error) -> String {
    texts(error).join(": ")
}

/// The innermost cause, for an error whose outer ones only say that something failed; `None` when nothing caused it.
pub fn innermost(error: &dyn Error) -> Option<String> {
    chain(error).skip(1).last().map(ToString::to_string)
}

fn chain<'a>(error: &'a (dyn Error + 'a)) -> impl Iterator<Item = &'a (dyn Error + 'a)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (text, inner) = texts.split_first().unwrap();
        let source = (!inner.is_empty()).then(|| Box::new(layers(inner)));
        Layer { text, source }
    }

    #[test]
    fn a_cause_that_is_repeated_by_the_error_before_it_is_said_once() {
        let error = layers(&["can't send: connection refused", "connection refused", "os error 111"]);

        assert_eq!(on_one_line(&error), "can't send: connection refused: os error 111");
        assert_eq!(innermost(&error).as_deref(), Some("os error 111"));
    }

    #[test]
    fn an_error_without_a_cause_has_none() {
        let error = layers(&["disk is full"]);

        assert_eq!((texts(&error), innermost(&error)), (vec!["disk is full".to_owned()], None));
    }
}
