use std::fmt;

/// The id of a documented item, written `package@version/path` or, of the n-th item with that path, `package@version/path#n`.
///
/// It has no white space, as run files need.
///
/// ```
/// use rust_docs::ItemId;
///
/// let written = "serde_json@1.0.140/serde_json::from_str";
/// let id = ItemId::parse(written).unwrap();
/// assert_eq!((id.package, id.path, id.occurrence), ("serde_json", "serde_json::from_str", 1));
/// assert_eq!(id.to_string(), written);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemId<'a> {
    /// The package's name.
    pub package: &'a str,
    /// The package's version.
    pub version: &'a str,
    /// The path at which rustdoc shows the item, from the crate's name on.
    pub path: &'a str,
    /// How many of the package's items, as far as they were asked for, have had that path, this one included; two may
    /// under different `cfg`s.
    pub occurrence: usize,
}

impl<'a> ItemId<'a> {
    /// The parts of an id as it is written; `None` if it is none.
    pub fn parse(id: &'a str) -> Option<Self> {
        let (package, path) = id.split_once('/')?;
        let (package, version) = package.split_once('@')?;
        let (path, occurrence) = match path.split_once('#') {
            Some((path, occurrence)) => (path, occurrence.parse().ok()?),
            None => (path, 1),
        };
        Some(Self { package, version, path, occurrence })
    }
}

impl fmt::Display for ItemId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}/{}", self.package, self.version, self.path)?;
        match self.occurrence {
            1 => Ok(()),
            n => write!(f, "#{n}"),
        }
    }
}

/// The path as rustdoc writes it: from the crate's name on, and names without `r#`.
pub(crate) fn rustdoc_path(library: &str, path: &[String]) -> String {
    let names = path.iter().map(|name| name.strip_prefix("r#").unwrap_or(name));
    [library].into_iter().chain(names).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = ItemId { package: "md-5", version: "0.10.6+x.1", path: "md5::Md5::finish", occurrence: 1 };
        for (id, written) in [
            (id, "md-5@0.10.6+x.1/md5::Md5::finish"),
            (ItemId { occurrence: 3, ..id }, "md-5@0.10.6+x.1/md5::Md5::finish#3"),
        ] {
            assert_eq!(id.to_string(), written);
            assert_eq!(ItemId::parse(written), Some(id));
        }
        for other in ["d17", "a/b", "a@1", "a@1/b#c"] {
            assert_eq!(ItemId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_begins_with_the_crate_and_has_plain_names() {
        let path = ["io", "Reader", "r#type"].map(String::from);
        assert_eq!(rustdoc_path("my_net", &path), "my_net::io::Reader::type");
        assert_eq!(rustdoc_path("my_net", &[]), "my_net");
    }
}
