//! What git and the cache call a content.

use std::io::{self, Read};

use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::listing::Entry;

/// The hash of a content, while it passes.
#[derive(Clone)]
pub(super) enum Content {
    /// Of a file that is in the repository.
    Small(Sha1),
    /// Of one that the repository has a pointer to.
    Large(Sha256),
}

impl Content {
    pub(super) fn of(entry: &Entry) -> Self {
        match entry.large {
            false => Self::Small(Sha1::new_with_prefix(format!("blob {}\0", entry.size))),
            true => Self::Large(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Small(hash) => hash.update(bytes),
            Self::Large(hash) => hash.update(bytes),
        }
    }

    pub(super) fn read(&mut self, mut from: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match from.read(&mut buffer)? {
                0 => return Ok(()),
                bytes => self.update(&buffer[..bytes]),
            }
        }
    }

    /// Its name in the cache, which is the hub's ETag.
    pub(super) fn name(self) -> String {
        match self {
            Self::Small(hash) => hexadecimal(&hash.finalize()),
            Self::Large(hash) => hexadecimal(&hash.finalize()),
        }
    }
}

/// Whether the content of this name in the cache is what the repository has of a file.
pub(super) fn is_of(name: &str, entry: &Entry) -> bool {
    if !entry.large {
        return name == entry.git;
    }
    // The object of a large file is a pointer, which some write without a last line break.
    ["\n", ""].iter().any(|end| {
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {}{end}", entry.size);
        let mut hash = Sha1::new_with_prefix(format!("blob {}\0", text.len()));
        hash.update(text);
        hexadecimal(&hash.finalize()) == entry.git
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_git() {
        // git hash-object; sha256sum; git hash-object of the pointer that git-lfs writes.
        for (large, name, git) in [
            (false, "ce013625030ba8dba906f756967f9e9ca394464a", "ce013625030ba8dba906f756967f9e9ca394464a"),
            (
                true,
                "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
                "fa61e1ef71c9908c0926776a4aa3504b3a27f159",
            ),
        ] {
            let entry = Entry { path: "a".into(), size: 6, git: git.into(), large };
            let mut content = Content::of(&entry);
            content.update(b"hello\n");
            assert_eq!(content.name(), name);
            assert!(is_of(name, &entry) && !is_of(&name.replace('9', "8"), &entry));
        }
    }
}
