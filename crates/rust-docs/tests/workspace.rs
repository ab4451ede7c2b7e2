//! A small made-up workspace, from its manifest to the items of a package by path.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use rust_docs::{Counts, ItemId, ItemKind, PackageDocs, Packages, Reader, Workspace};

const LIB: &str = "\
//! A net of connections.
mod client;
pub use client::Client;
#[doc(hidden)]
pub mod inner;
/// Opens a connection, on Unix.
#[cfg(unix)]
pub fn open(host: &str) -> Client {}
/// Opens.
#[cfg(windows)]
pub fn open(host: &str) -> Client {}
/// Opens a connection, elsewhere.
#[cfg(not(any(unix, windows)))]
pub fn open(host: &str) -> Client {}
";

const CLIENT: &str = "\
/// Sends and receives whole messages.
///
/// Drop it to close the connection.
pub struct Client;
impl Client {
    /// Returns `a + b`.
    pub fn sum(&self, a: u8, b: u8) -> u8 { a + b }
}
";

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn package(name: &str, dependencies: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}")
}

/// A binary `app` that needs the library `my-net` by path and so much else.
fn app(dependencies: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    let net = "my-net = { path = \"net\" }\n";
    write(&path("Cargo.toml"), &format!("{}[workspace]\n", package("app", &format!("{net}{dependencies}"))));
    write(&path("src/main.rs"), "//! An application of nothing but a main function.\nfn main() {}\n");
    write(&path("net/Cargo.toml"), &package("my-net", ""));
    write(&path("net/src/lib.rs"), LIB);
    write(&path("net/src/client.rs"), CLIENT);
    write(&path("net/src/inner.rs"), "/// Nobody should see this one.\npub fn secret() {}\n");
    write(&path("net/src/broken.rs"), "/// Not Rust.\npub fn (");
    let lock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"my-net\",\n]\n\n\
                [[package]]\nname = \"my-net\"\nversion = \"0.1.0\"\n";
    write(&path("Cargo.lock"), lock);
    folder
}

fn found(folder: &Path, local: bool) -> Packages {
    Workspace::new(folder).with_local(local).packages().unwrap()
}

fn names(packages: &Packages) -> Vec<&str> {
    packages.packages.iter().map(|package| package.name.as_str()).collect()
}

fn ids<T>(docs: &PackageDocs<T>) -> Vec<&str> {
    docs.items.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn packages_by_path_are_found_where_they_are_asked_for() {
    let app = app("");
    assert_eq!(found(app.path(), false), Packages::default());
    let packages = found(app.path(), true);
    assert_eq!((names(&packages), &packages.note), (vec!["my-net"], &None));
    assert_eq!((packages.packages[0].library.as_str(), packages.packages[0].version.minor), ("my_net", 1));
}

#[test]
fn where_sources_are_missing_the_note_says_so() {
    let app = app("no-such-package = \"1\"\n");
    let packages = found(app.path(), true);
    assert_eq!(names(&packages), ["my-net"]);
    let note = packages.note.unwrap();
    assert!(note.starts_with("cargo metadata --offline failed (") && note.contains("took the 0 packages"), "{note}");
}

#[test]
fn every_documented_item_has_its_id_kind_and_doc_comment() {
    let app = app("");
    let docs = Reader::new().unwrap().items(&found(app.path(), true).packages).remove(0);
    assert_eq!((docs.name.as_str(), docs.version.to_string().as_str()), ("my-net", "0.1.0"));
    let expected = [
        "my-net@0.1.0/my_net::Client",
        "my-net@0.1.0/my_net::Client::sum",
        "my-net@0.1.0/my_net",
        "my-net@0.1.0/my_net::open",
        "my-net@0.1.0/my_net::open#2",
        "my-net@0.1.0/my_net::open#3",
    ];
    assert_eq!(ids(&docs), expected);
    let kinds: Vec<ItemKind> = docs.items.iter().map(|(_, item)| item.kind).collect();
    let open = ItemKind::Function;
    assert_eq!(kinds, [ItemKind::Struct, ItemKind::Method, ItemKind::Crate, open, open, open]);
    let client = &docs.items[0].1;
    assert_eq!(client.path, ["client", "Client"]);
    assert_eq!(client.doc, "Sends and receives whole messages.\n\nDrop it to close the connection.");
    assert_eq!(docs.items[3].1.signature, "host str -> Client");
    assert_eq!(docs.counts, Counts { packages: 1, files: 4, files_unparsed: 1, items: 7, ..Counts::default() });
}

#[test]
fn pairs_are_of_the_items_that_give_one_and_ids_count_those() {
    let app = app("");
    let docs = Reader::new().unwrap().pairs(&found(app.path(), true).packages).remove(0);
    let paths = ids(&docs).into_iter().map(|id| ItemId::parse(id).unwrap());
    let paths: Vec<(&str, usize)> = paths.map(|id| (id.path, id.occurrence)).collect();
    assert_eq!(paths, [("my_net::Client", 1), ("my_net", 1), ("my_net::open", 1), ("my_net::open", 2)]);
    let client = &docs.items[0].1;
    assert_eq!(client.query, "Sends and receives whole messages.");
    assert_eq!(client.passage, "struct my net client Client. Drop it to close the connection.");
    let counts =
        Counts { packages: 1, files: 4, files_unparsed: 1, items: 7, with_code: 1, short: 1, ..Counts::default() };
    assert_eq!(docs.counts, counts);
}
