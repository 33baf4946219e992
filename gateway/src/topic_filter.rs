//! A filter of MQTT topics, as `topics` of a gate has it. Subscribing is left to `mqtt`.

/// A topic filter: `+` is one level, `#` at the end any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicFilter(String);

impl TopicFilter {
    /// Checks a filter.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let levels: Vec<&str> = text.split('/').collect();
        let (last, before) = levels.split_last().expect("a split has one part at least");
        let is_plain = |level: &&str| !level.contains(['+', '#']) || *level == "+";
        let is_valid = !text.is_empty()
            && u16::try_from(text.len()).is_ok()
            && !text.contains('\0')
            && before.iter().all(is_plain)
            && (is_plain(last) || *last == "#");
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is no topic filter: it has 1 to 65535 bytes, + stands for a whole level and # for the last ones, \
                 for instance site/+/events or site/#"
            ))
        }
    }

    /// The filter as a subscription names it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic fits.
    pub(crate) fn fits(&self, topic: &str) -> bool {
        let mut levels = topic.split('/');
        // A wildcard at the beginning does not match topics of the broker itself.
        if topic.starts_with('$') && !self.0.starts_with('$') {
            return false;
        }
        for wanted in self.0.split('/') {
            match (wanted, levels.next()) {
                ("#", _) | ("+", Some(_)) => {
                    if wanted == "#" {
                        return true;
                    }
                }
                (wanted, Some(level)) if wanted == level => {}
                (_, _) => return false,
            }
        }
        levels.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_levels() {
        let fits = |filter: &str, topic: &str| TopicFilter::parse(filter).unwrap().fits(topic);
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("+/+", "/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("$SYS/#", "$SYS/broker"),
        ] {
            assert!(fits(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [("a/b", "a/b/c"), ("a/+", "a"), ("a/+", "a/b/c"), ("#", "$SYS/broker"), ("a", "A")] {
            assert!(!fits(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for wrong in ["", "a+/b", "a/#/b", "a/b#", "a\0"] {
            assert!(TopicFilter::parse(wrong).is_err(), "{wrong}");
        }
    }
}
