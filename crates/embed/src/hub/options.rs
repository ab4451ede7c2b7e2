use std::env;
use std::path::PathBuf;

/// Where models of a hub come from and go to; what is `None` is as the environment says, by the variables of Python's `huggingface_hub`.
///
/// A token is read from `HF_TOKEN`, or the file that Python's login wrote.
///
/// # Examples
/// ```
/// let options = embed::hub::HubOptions::default().with_endpoint("http://127.0.0.1:8080").with_retries(0);
/// assert_eq!(options.offline, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubOptions {
    /// The hub's address; `None`: `HF_ENDPOINT`, else that of the public hub.
    pub endpoint: Option<String>,
    /// The cache; `None`: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else where Python has it.
    pub cache: Option<PathBuf>,
    /// Whether nothing is asked for; `None`: whether `HF_HUB_OFFLINE`, or else `TRANSFORMERS_OFFLINE`, is 1, on, yes or true.
    pub offline: Option<bool>,
    /// How often a request that failed is made again, and a file that was cut off without a byte more is continued.
    pub retries: usize,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self { endpoint: None, cache: None, offline: None, retries: 5 }
    }
}

impl HubOptions {
    /// Sets the hub's address.
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the cache.
    pub fn with_cache(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// Sets whether nothing is asked for.
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = Some(offline);
        self
    }

    /// Sets how often what failed is tried again.
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline.unwrap_or_else(|| {
            let given = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().filter_map(|name| env::var(name).ok());
            given.into_iter().find(|value| !value.is_empty()).is_some_and(|value| is_true(&value))
        })
    }
}

/// As Python's `huggingface_hub` reads such variables.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_by_python() {
        assert!(["1", "on", "Yes", "TRUE"].into_iter().all(is_true));
        assert!(!["0", "off", "2", "no"].into_iter().any(is_true));
    }
}
