//! One shape for JSON, XML and forms: adapters look values up by path and don't care which it was.
//!
//! Numbers are texts, because half of the senders write numbers as strings. Names match in any case, because firmware
//! versions differ in it. Where a name meets a list, the first element is meant: XML repeats elements at will.

/// A value of a document.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Tree {
    /// Null, an empty document.
    #[default]
    Nothing,
    /// A string, a number, true or false; the text of an XML element.
    Text(Box<str>),
    /// A text too long to be anything but a picture.
    Omitted,
    List(Vec<Tree>),
    Map(Vec<(Box<str>, Tree)>),
}

impl Tree {
    /// The value at a path of names and list places such as `Events/0/TrafficCar`.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').filter(|step| !step.is_empty()).try_fold(self, |tree, step| tree.step(step))
    }

    fn step(&self, step: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => {
                let exact = members.iter().find(|(name, _)| **name == *step);
                exact.or_else(|| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(step))).map(|(_, tree)| tree)
            }
            Self::List(list) => match step.parse::<usize>() {
                Ok(place) => list.get(place),
                Err(_) => list.first()?.step(step),
            },
            Self::Nothing | Self::Text(_) | Self::Omitted => None,
        }
    }

    /// The member of that very name, whatever is in it.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.step(name)
    }

    /// The text at a path, without the space around it; `None` when it is absent, null or empty.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_text().filter(|text| !text.is_empty())
    }

    /// The text of this value, without the space around it. Of a list its first element's; of an XML element with
    /// attributes what stands between its tags.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::List(list) => list.first()?.as_text(),
            Self::Map(_) => {
                if let Self::Text(text) = self.step("#text")? {
                    Some(text.trim())
                } else {
                    None
                }
            }
            Self::Nothing | Self::Omitted => None,
        }
    }

    /// The elements at a path: those of a list, or the one value.
    pub(crate) fn list(&self, path: &str) -> &[Self] {
        match self.at(path) {
            None | Some(Self::Nothing) => &[],
            Some(Self::List(list)) => list,
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// The first value of that name anywhere, from the top.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        let members = || match self {
            Self::Map(members) => members.iter().map(|(_, tree)| tree).collect(),
            Self::List(list) => list.iter().collect(),
            Self::Nothing | Self::Text(_) | Self::Omitted => Vec::new(),
        };
        let here = if let Self::Map(_) = self { self.step(name) } else { None };
        here.or_else(|| members().into_iter().find_map(|tree| tree.find(name)))
    }

    /// Whether the text at a path says yes.
    pub(crate) fn is_true(&self, path: &str) -> bool {
        self.text(path).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// How many texts were left out.
    pub(crate) fn count_omitted(&self) -> usize {
        match self {
            Self::Omitted => 1,
            Self::List(list) => list.iter().map(Self::count_omitted).sum(),
            Self::Map(members) => members.iter().map(|(_, tree)| tree.count_omitted()).sum(),
            Self::Nothing | Self::Text(_) => 0,
        }
    }

    /// Puts a value where a path of names says; for text formats that write one member a line.
    pub(crate) fn put(&mut self, path: &[&str], value: Self) {
        let Some((name, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(members) = self else { return };
        let place = members.iter().position(|(known, _)| **known == **name).unwrap_or_else(|| {
            members.push(((*name).into(), Self::Nothing));
            members.len() - 1
        });
        members[place].1.put(rest, value);
    }
}
