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
    /// Of one that the repository has a pointer to, with its size.
    Large(Sha256, u64),
}

impl Content {
    pub(super) fn of(entry: &Entry) -> Self {
        match entry.large {
            false => Self::Small(Sha1::new_with_prefix(format!("blob {}\0", entry.size))),
            true => Self::Large(Sha256::new(), entry.size),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Small(hash) => hash.update(bytes),
            Self::Large(hash, _) => hash.update(bytes),
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

    pub(super) fn names(self) -> Names {
        match self {
            Self::Small(hash) => {
                let git = hexadecimal(&hash.finalize());
                Names { blob: git.clone(), git }
            }
            Self::Large(hash, size) => {
                let blob = hexadecimal(&hash.finalize());
                Names { git: pointer(&blob, size), blob }
            }
        }
    }
}

/// The two names of a content.
pub(super) struct Names {
    /// That of the file in the cache, which is the hub's ETag.
    pub(super) blob: String,
    /// That of the object in the repository.
    pub(super) git: String,
}

/// The name of the object that is in a repository for a large file.
pub(super) fn pointer(sha256: &str, size: u64) -> String {
    let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
    let mut hash = Sha1::new_with_prefix(format!("blob {}\0", text.len()));
    hash.update(text);
    hexadecimal(&hash.finalize())
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
        let [small, large] = [false, true].map(|large| {
            let mut content = Content::of(&Entry { path: "a".into(), size: 6, git: String::new(), large });
            content.update(b"hello\n");
            content.names()
        });
        assert_eq!(small.blob, "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(small.git, small.blob);
        assert_eq!(large.blob, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!(large.git, "fa61e1ef71c9908c0926776a4aa3504b3a27f159");
    }
}
