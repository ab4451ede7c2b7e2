#![doc = include_str!("../README.md")]

mod counts;
mod error;
mod exports;
mod id;
mod items;
mod kind;
mod lock;
mod markdown;
mod metadata;
mod names;
mod outline;
mod packages;
mod pair;
mod reader;
mod sentences;
mod signature;
mod sources;
mod visibility;
mod words;
mod workspace;

pub use cargo_metadata::semver::Version;
pub use counts::Counts;
pub use error::RustDocsError;
pub use id::ItemId;
pub use items::DocItem;
pub use kind::ItemKind;
pub use packages::{Package, Packages};
pub use pair::{TextPair, Unfit};
pub use reader::{PackageDocs, Reader};
pub use workspace::Workspace;
