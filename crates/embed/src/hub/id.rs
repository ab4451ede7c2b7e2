use std::fmt;
use std::str::FromStr;

use crate::EmbedError;

/// The revision where none is named.
const MAIN: &str = "main";
/// The longest id of a hub.
const LONGEST: usize = 96;

/// The name of a model on a hub, with or without a revision.
///
/// Written as `owner/name` or `hf://owner/name`, then `@` and a branch, tag or commit; old models have no owner, `hf://name`.
///
/// # Examples
/// ```
/// use embed::hub::HubId;
///
/// let id: HubId = "hf://Snowflake/snowflake-arctic-embed-m@refs/pr/1".parse()?;
/// assert_eq!((id.owner(), id.name(), id.revision()), ("Snowflake", "snowflake-arctic-embed-m", "refs/pr/1"));
/// assert_eq!("bert-base-uncased".parse::<HubId>()?.to_string(), "hf://bert-base-uncased");
/// assert!("models/owner/name".parse::<HubId>().is_err());
/// # Ok::<(), embed::EmbedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HubId {
    owner: String,
    name: String,
    revision: Option<String>,
}

impl HubId {
    /// What an id begins with where a path could stand too.
    pub const SCHEME: &str = "hf://";

    /// The owner; empty for a model without one.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name within the owner's models.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The branch, tag or commit; `main` where none is named.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// The same model at another revision.
    ///
    /// # Errors
    /// [`EmbedError::HubId`] for what cannot be a revision.
    ///
    /// # Examples
    /// ```
    /// let id: embed::hub::HubId = "owner/name".parse()?;
    /// assert_eq!(id.with_revision("v1.0")?.to_string(), "hf://owner/name@v1.0");
    /// # Ok::<(), embed::EmbedError>(())
    /// ```
    pub fn with_revision(mut self, revision: &str) -> Result<Self, EmbedError> {
        self.revision = Some(revision.to_owned());
        match is_revision(revision) {
            true => Ok(self),
            false => Err(EmbedError::HubId { id: self.to_string(), part: "revision" }),
        }
    }

    /// The revision, where it is a commit.
    pub(super) fn commit(&self) -> Option<&str> {
        self.revision.as_deref().filter(|revision| is_commit(revision))
    }
}

impl FromStr for HubId {
    type Err = EmbedError;

    fn from_str(text: &str) -> Result<Self, EmbedError> {
        let refused = |part| EmbedError::HubId { id: text.to_owned(), part };
        let id = text.strip_prefix(Self::SCHEME).unwrap_or(text);
        let (model, revision) = id.split_once('@').map_or((id, None), |(model, revision)| (model, Some(revision)));
        let (owner, name) = model.split_once('/').unwrap_or(("", model));
        if !(is_name(name) && (is_name(owner) || !model.contains('/')) && model.len() <= LONGEST) {
            return Err(refused("owner/name"));
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(refused("revision"));
        }
        Ok(Self { owner: owner.into(), name: name.into(), revision: revision.map(str::to_owned) })
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::SCHEME)?;
        if !self.owner.is_empty() {
            write!(f, "{}/", self.owner)?;
        }
        f.write_str(&self.name)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// As hubs allow it: `--` stands for `/` in the cache.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let outer = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(inner)
        && name.starts_with(outer)
        && name.ends_with(outer)
        && !name.contains("--")
        && !name.contains("..")
}

/// What git allows of it; it is the path of a file in the cache.
fn is_revision(revision: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"~^:?*[\\".contains(c);
    revision.chars().all(allowed)
        && revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        for (text, owner, name, revision) in [
            ("owner/name", "owner", "name", "main"),
            ("hf://owner/name.v2_x-1@v1.0", "owner", "name.v2_x-1", "v1.0"),
            ("hf://gpt2", "", "gpt2", "main"),
            ("hf://owner/name@refs/pr/1", "owner", "name", "refs/pr/1"),
        ] {
            let id: HubId = text.parse().unwrap();
            assert_eq!((id.owner(), id.name(), id.revision()), (owner, name, revision));
            assert_eq!(id.to_string().parse::<HubId>().unwrap(), id);
        }
    }

    #[test]
    fn what_could_leave_the_cache_or_is_no_id_is_refused() {
        for text in [
            "",
            "hf://",
            "/name",
            "owner/",
            "a/b/c",
            "../x",
            "a/..",
            "a/b--c",
            "a b",
            "a/b@",
            "a/b@../../x",
            "a/b@/x",
            "a/b@x/",
            "a/b@x y",
            "a/b@.x",
            "https://x/y",
        ] {
            assert!(text.parse::<HubId>().is_err(), "{text}");
        }
        assert!("a/b".parse::<HubId>().unwrap().with_revision("..").is_err());
    }

    #[test]
    fn commits_are_told_from_names() {
        let id: HubId = "a/b".parse().unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(id.clone().with_revision(commit).unwrap().commit(), Some(commit));
        assert_eq!(id.clone().with_revision("0123456").unwrap().commit(), None);
        assert_eq!(id.commit(), None);
    }
}
